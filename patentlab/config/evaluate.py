"""The evaluate group: what a trained run is asked beyond its test documents as they are."""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass, field

from patentlab.config.bounds import bounded, out_of_bounds
from patentlab.config.registry import EVALUATIONS, OBFUSCATIONS

_FIELDS = ("text", "label", "title")  # that a form of a hostile instruction may name


@dataclass
class EvaluateConfig:
    """What test documents become, beside being measured as they are."""

    name: str = "none"

    def check(self) -> Iterator[str]:
        """A line per problem."""
        if self.name not in EVALUATIONS:
            yield f"evaluate.name={self.name}: allowed are {', '.join(EVALUATIONS.names())}"
        yield from out_of_bounds(self, "evaluate.")


@dataclass
class ObfuscatedConfig(EvaluateConfig):
    """Settings of ``evaluate=obfuscated``.

    Attributes:
        obfuscations: By which test documents are rewritten; None: by all.
        transfer: A folder with files of JSON lines, with ``text`` and ``label``, measured too, and never trained on.
        calibrated_on: The file of it of whose benign texts one half gives another threshold; None: none.
        payloads: Files of it whose texts are put into injected test documents instead of their payloads.
        by: The field by which a file's texts are measured apart.
    """

    obfuscations: list[str] | None = None
    transfer: str | None = None
    calibrated_on: str | None = None
    payloads: list[str] = field(default_factory=list)
    by: dict[str, str] = field(default_factory=dict)

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from super().check()
        if unknown := [name for name in self.obfuscations or () if name not in OBFUSCATIONS]:
            yield f"evaluate.obfuscations={','.join(unknown)}: allowed are {', '.join(OBFUSCATIONS.names())}"


@dataclass
class HostileConfig(EvaluateConfig):
    """Settings of ``evaluate=hostile``.

    Attributes:
        documents: Of the test set, as many at most.
        forms: What a document becomes, by a name; ``{text}`` is the document, ``{label}`` and ``{title}`` name the
            label that is asked for.
        control: A form without an instruction: what any added words change.
    """

    documents: int = bounded(200, least=1)
    forms: dict[str, str] = field(default_factory=dict)
    control: str | None = None

    def check(self) -> Iterator[str]:
        """A line per problem."""
        yield from super().check()
        forms = {**self.forms, **({} if self.control is None else {"control": self.control})}
        if not forms:
            yield "evaluate.forms: must have one at least"
        for name, form in forms.items():
            try:
                named = [field for _, field, _, _ in string.Formatter().parse(form) if field is not None]
                form.format(**dict.fromkeys(_FIELDS, ""))
            except (ValueError, LookupError, AttributeError) as error:
                why = " ".join(str(error).split())
                yield f"evaluate.forms.{name}={form}: {why}; in braces it may name {', '.join(_FIELDS)}"
                continue
            if named.count("text") != 1:
                yield f"evaluate.forms.{name}={form}: must hold {{text}} once"
        if "control" in self.forms:
            yield "evaluate.forms.control: is evaluate.control; give the form another name"
