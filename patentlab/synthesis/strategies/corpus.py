"""Documents made elsewhere: by a larger model, another tool, or ``python -m patentlab.synthesize``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import MISSING

from patentlab.config import DataConfig, RequestError, StrategyConfig
from patentlab.config.registry import STRATEGIES, TASKS
from patentlab.corpus import Document, LabelSpace
from patentlab.synthesis.strategies import Added, Context, Strategy


@dataclass
class CorpusConfig(StrategyConfig):
    """Settings of ``strategy=corpus``."""

    path: str = MISSING


@STRATEGIES.add("corpus", settings=CorpusConfig)
class MadeElsewhere(Strategy):
    """Documents of a file, drawn at random, screened as a generator's answers are."""

    def inputs(self, config: StrategyConfig) -> dict[str, str]:
        """``corpus``: SHA-256 of the file's bytes, which stands for its path in the run's key."""
        from patentlab.data.sources.jsonl import file_fingerprint

        return {"corpus": file_fingerprint(_path(config), "strategy.path")}

    def add(self, context: Context, count: int) -> Added:
        """The first of the file's documents that pass, in an order drawn by the seed.

        Args:
            context: Documents are held against its real ones and its label space; those with a source among the
                training documents are held against it as paraphrases are.
            count: Documents wanted.

        Returns:
            ``count`` documents; fewer only with ``strategy.on_shortage=shrink``.

        Raises:
            RequestError: The file is wrong (file and line are named), or too few documents pass.
        """
        from patentlab.synthesis import screening  # slow to import

        config, strategy = context.config, context.config.strategy
        one_label = TASKS.get(str(config.data.task)).one_label
        path = _path(strategy)
        if strategy.screening is None:
            raise TypeError("strategy=corpus has settings for screening")
        held_out = {"validation": context.split.validation, "test": context.split.test}
        screen = screening.Screen(
            strategy.screening, context.labels, {"train": context.real, **held_out}, strategy.name,
            config.seed_of("generation"), masked=config.data.mask_labels,
        )  # fmt: skip
        held = {document.id for documents in held_out.values() for document in documents}
        found = read_documents(path, config.data)
        documents: list[Document] = []
        rows: list[dict[str, Any]] = []
        rejected: Counter[str] = Counter()
        attempts = 0
        for position in np.random.default_rng(context.seed).permutation(len(found)):
            if len(documents) == count:
                break
            attempts += 1
            candidate, file_id = found[int(position)]
            known = _labels_of_the_space(candidate, context.labels, one_label)
            if known is None or candidate.source_id in held:
                rejected["unknown_label" if known is None else "source_held_out"] += 1
                continue
            verdict = screen.examine(known, () if known.source_id is None else (known.source_id,))
            document, reason = verdict.document, verdict.reason
            if document is not None and context.agrees is not None and not context.agrees(document):
                document, reason = None, "disagrees"
            if document is None:
                rejected[str(reason)] += 1
                continue
            screen.remember(document)
            documents.append(document)
            rows.append(_row(document, file_id, verdict.mentions))
        if len(documents) < count and strategy.on_shortage != "shrink":
            why = ", ".join(f"{number} {reason}" for reason, number in rejected.most_common()) or "none"
            raise RequestError(
                f"strategy.path={path}: {len(documents)} of {count} documents; it has {len(found)}, rejected: "
                f"{why}; relax strategy.screening, ask for fewer, or set strategy.on_shortage=shrink"
            )
        report = {
            "key": self.inputs(strategy)["corpus"][:16],
            "requested": count,
            "accepted": len(documents),
            "attempts": attempts,
            "rejected": dict(rejected.most_common()),
            "min_words": screen.bounds[0],
            "max_words": screen.bounds[1],
            "label_mentions": sum(bool(row["label_mentions"]) for row in rows) / max(len(rows), 1),
            "screening_version": screening.VERSION,
        }
        return Added(tuple(documents), report, rows)


def read_documents(path: Path, data: DataConfig) -> list[tuple[Document, str | None]]:
    """Read a file of documents made elsewhere.

    Args:
        path: JSON lines, a table (comma- or tab-separated, with a header) or parquet, with ``text``, ``labels`` and,
            where there are any, ``source_id``, ``title`` and ``id``.
        data: ``separator`` (``;`` where it has none) and ``on_bad_row`` are used.

    Returns:
        Documents with ids by their place, and the ids that they have in the file.

    Raises:
        RequestError: The file is missing, of another format, or broken; file and line are named.
    """
    from patentlab.data.sources.rows import BadRowError, BadRows, document_of, title_of
    from patentlab.data.sources.tables import file_rows

    columns = DataConfig(
        path=str(path), text="text", labels="labels", separator=data.separator or ";", id=None, date=None,
        split=replace(data.split, column=None),
    )  # fmt: skip
    bad, found = BadRows(data.on_bad_row), list[tuple[Document, str | None]]()
    for number, (where, row) in enumerate(file_rows(path, "strategy.path", ("text", "labels"))):
        try:
            if isinstance(row, BadRowError):
                raise row
            document = document_of(row, columns, where)
        except BadRowError as problem:
            bad.add(where, problem)
            continue
        source, title, own = (str(row.get(name) or "").strip() or None for name in ("source_id", "title", "id"))
        title = title_of(document.text, {"title": title or ""})
        made = replace(document, id=f"corpus-{number:06d}", origin="corpus", source_id=source, title=title)
        found.append((made, own))
    bad.check(len(found))
    return found


def _path(config: StrategyConfig) -> Path:
    if not isinstance(config, CorpusConfig):
        raise TypeError("strategy=corpus has settings of its own")
    return Path(config.path)


def _labels_of_the_space(document: Document, labels: LabelSpace, one_label: bool) -> Document | None:
    """The document, with its main label alone where the task takes one; None where a label is not of the space."""
    own = document.labels[:1] if one_label else document.labels
    return replace(document, labels=own) if own and set(own) <= set(labels.names) else None


def _row(document: Document, file_id: str | None, mentions: tuple[str, ...]) -> dict[str, Any]:
    """What ``synthetic.parquet`` says of a document."""
    return {
        "id": document.id,
        "text": document.text,
        "title": document.title,
        "labels": list(document.labels),
        "strategy": document.origin,
        "source_id": document.source_id,
        "file_id": file_id,
        "label_mentions": list(mentions),
    }
