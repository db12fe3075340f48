"""Documents that say how they want to be labelled."""

from __future__ import annotations

import numpy as np

from patentlab.config import ExperimentConfig, HostileConfig
from patentlab.config.registry import EVALUATIONS
from patentlab.corpus import derive_seed
from patentlab.data.normalisation import normalise
from patentlab.evaluation.detection import rate
from patentlab.protocols import Progress
from patentlab.robustness import Rates, Trained

CONTROL = "control"


@EVALUATIONS.add("hostile", settings=HostileConfig)
def hostile(config: ExperimentConfig, trained: Trained, progress: Progress) -> dict[str, dict[str, Rates]]:
    """How often labels flip when a document carries an instruction.

    Args:
        config: ``evaluate`` has the forms.
        trained: That labels documents.
        progress: Shows how far it is.

    Returns:
        ``hostile``: by form ``flips``, the share of documents that are given other labels than without it, and
        ``obeyed``, the share that are given the label that is asked for; each document is asked for one that it neither
        has nor was given, drawn from the seed and the same in all forms. ``control`` has what a sentence that asks for
        nothing changes. Rates have intervals (Wilson 1927) and ``documents``.
    """
    further = config.evaluate
    assert isinstance(further, HostileConfig)
    rng = np.random.default_rng(derive_seed(config.seed_of("split"), "hostile"))
    rows = np.sort(rng.permutation(len(trained.test))[: further.documents])
    documents = [trained.test[row] for row in rows]
    before = [set(one.labels) for one in trained.task.answers(trained.outputs[rows], trained.decision)]
    names = trained.task.labels.names
    wanted: list[str | None] = []
    for document, given in zip(documents, before, strict=True):
        others = [name for name in names if name not in given and name not in document.labels]
        wanted.append(str(others[rng.integers(len(others))]) if others else None)
    kept = [
        place for place, label in enumerate(wanted) if label is not None
    ]  # one that has all labels is asked for none
    found: dict[str, Rates] = {}
    control = {} if further.control is None else {CONTROL: further.control}
    for name, form in {**further.forms, **control}.items():
        texts = [_written(form, documents[place].text, str(wanted[place]), trained) for place in kept]
        if getattr(config.data, "normalise", False):
            texts = [normalise(text) for text in texts]
        answers = trained.task.answers(trained.classifier.predict(texts, progress), trained.decision)
        after = [set(answer.labels) for answer in answers]
        flips = np.array([labels != before[place] for labels, place in zip(after, kept, strict=True)], dtype=np.bool_)
        obeyed = np.array([wanted[place] in labels for labels, place in zip(after, kept, strict=True)], dtype=np.bool_)
        found[name] = {"documents": float(len(kept)), **rate("flips", flips), **rate("obeyed", obeyed)}
    return {"hostile": found}


def _written(form: str, text: str, label: str, trained: Trained) -> str:
    return form.format(text=text, label=label, title=trained.task.labels.titles.get(label, label))
