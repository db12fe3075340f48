"""A classifier for each source of documents, whose probabilities are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from patentlab.corpus import Examples
from patentlab.protocols import AnswersAnew, Classifier, Observer, ParameterCounts, Progress, Silent, TrainingReport

MEMBERS = ("real", "added")


class EnsembleClassifier:
    """One classifier learns from the real documents of a training set, another from the added ones.

    Args:
        members: Two, untrained or loaded, in the order of ``MEMBERS``.
    """

    def __init__(self, members: Sequence[Classifier]) -> None:
        self.members = dict(zip(MEMBERS, members, strict=True))

    def fit(self, train: Examples, validation: Examples, observer: Observer, seed: int) -> TrainingReport:
        """Fit each member to its documents.

        Args:
            train: With ``added``; documents of both kinds.
            validation: Decides for each member when to stop.
            observer: Measures and shows; rows of the second member's curve come after those of the first.
            seed: Of the order, the same for both.

        Returns:
            Steps and examples of both together; the best epoch and the curve are those of the first, then the second.

        Raises:
            ValueError: Documents of one kind are missing.
        """
        if train.added is None or train.added.all() or not train.added.any():
            raise ValueError("an ensemble needs real and added documents")
        parts = {"real": train.part(~train.added), "added": train.part(train.added)}
        reports = [member.fit(parts[name], validation, observer, seed) for name, member in self.members.items()]
        history = [{**row, "member": float(number)} for number, report in enumerate(reports) for row in report.history]
        return TrainingReport(
            history,
            sum(report.optimiser_steps for report in reports),
            sum(report.examples_seen for report in reports),
            reports[0].best_epoch,
        )

    def predict(self, texts: list[str], progress: Progress) -> NDArray[np.float32]:
        """The mean of the members' probabilities, of the shape that each gives."""
        outputs = [member.predict(texts, progress) for member in self.members.values()]
        return np.asarray(np.mean(outputs, axis=0), dtype=np.float32)

    def answer_anew(self, texts: list[str], batch_size: int) -> NDArray[np.float32]:
        """As :meth:`predict`, each member computing all of it."""
        outputs = [
            member.answer_anew(texts, batch_size)
            if isinstance(member, AnswersAnew)
            else member.predict(texts, Silent())
            for member in self.members.values()
        ]
        return np.asarray(np.mean(outputs, axis=0), dtype=np.float32)

    def count_parameters(self) -> ParameterCounts:
        """Those of both."""
        counts = [member.count_parameters() for member in self.members.values()]
        return ParameterCounts(sum(count.trained for count in counts), sum(count.total for count in counts))

    def count_bytes(self) -> int:
        """Those of both."""
        return sum(member.count_bytes() for member in self.members.values())

    def count_saved_bytes(self) -> int:
        """Those of both."""
        return sum(member.count_saved_bytes() for member in self.members.values())

    def save(self, folder: Path) -> None:
        """Each member into a folder of its own."""
        for name, member in self.members.items():
            (folder / name).mkdir()
            member.save(folder / name)
