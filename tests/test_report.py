"""Which figures a report draws of its tables."""

from collections import defaultdict

import pandas as pd

from patentlab.report import pictures
from tests.figures.overlap import points


def test_trained_parameters_are_shown_of_the_arm_without_added_documents():
    columns = ["model", "head", "adapter", "regime", "arm", "trained", "mean", "low", "high", "n"]
    rows = [
        (model, "embedding", adapter, "1:10", arm, trained, score, score - 0.01, score + 0.01, 3)
        for arm, score in (("generated", 0.4), ("real only", 0.6))
        for model, adapter, trained in (("minilm", "frozen", 13_000), ("minilm", "full", 22_000_000))
    ]
    found = defaultdict(pd.DataFrame, {"scores_f1_micro": pd.DataFrame(columns=columns),
                                       "parameters": pd.DataFrame(rows, columns=columns)})  # fmt: skip
    (picture,) = pictures(found, ["model", "head", "adapter", "regime"])
    axes = picture.figure.axes[0]
    assert picture.name == "parameters" and axes.get_title("left").startswith("real only")
    assert [points(line) for line in axes.lines] == [[(13_000, 0.6)], [(22_000_000, 0.6)]]
