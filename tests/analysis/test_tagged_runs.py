"""Runs on tagged words: read back, resampled and compared by their entities."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from seqeval import metrics as seqeval
from seqeval.scheme import IOB2

from patentlab.analysis.comparisons import paired_comparisons
from patentlab.analysis.predictions import TagPredictions, read_predictions, reliability
from patentlab.analysis.scored import ScoredRuns
from patentlab.corpus import Document, LabelSpace, as_array
from patentlab.figures.labels import draw_labels
from patentlab.tasks import Decision
from patentlab.tasks.tagging import Tagging
from tests.analysis.written_runs import pairs_of

TYPES = ("loc", "org", "per")
TASK = Tagging(LabelSpace(TYPES))


def write(folder: Path, noise: float, seed: int = 0, documents: int = 60) -> Path:
    """A run's files: tags that ``documents`` decides, and outputs with errors."""
    folder.mkdir(parents=True)
    of, draw = np.random.default_rng(7), np.random.default_rng([seed, 1])
    held, outputs = [], []
    for number in range(documents):
        tags: list[str] = []
        while len(tags) < 12:
            kind = of.choice(["", *TYPES], p=[0.55, 0.15, 0.15, 0.15])
            tags += ["O"] if not kind else [f"B-{kind}", *[f"I-{kind}"] * int(of.integers(0, 3))]
        text = " ".join(f"w{n}" for n in range(len(tags)))
        held.append(
            Document(f"d{number:03}", text, tuple(dict.fromkeys(t[2:] for t in tags if t != "O")), tags=tuple(tags))
        )
        right = np.eye(len(TASK.tags))[[TASK.tags.index(tag) for tag in tags]]
        scores = right + draw.normal(0, noise, right.shape)
        outputs.append((np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)).astype(np.float32))
    given = TASK.predictions(held, as_array(outputs), Decision())
    given.insert(1, "set", "test")
    given.to_parquet(folder / "predictions.parquet", index=False)
    tables = TASK.tables(TASK.encode(held).targets, as_array(outputs), Decision())
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    draw_labels(tables, "a run", folder)
    return folder


def tags_of(folder: Path) -> tuple[list[list[str]], list[list[str]]]:
    table = pd.read_parquet(folder / "predictions.parquet")
    return [list(tags) for tags in table["tags"]], [list(tags) for tags in table["predicted"]]


def test_entities_are_counted_as_seqeval_does(tmp_path: Path):
    folder = write(tmp_path / "run", 0.5)
    found = read_predictions(folder)
    assert isinstance(found, TagPredictions)
    assert found.labels == TYPES
    true, given = tags_of(folder)
    scored = ScoredRuns({"run": folder})("run")
    for average in ("micro", "macro"):
        expected = seqeval.f1_score(true, given, average=average, mode="strict", scheme=IOB2)
        assert 0.2 < expected < 0.9
        assert scored.score[f"f1_{average}"] == pytest.approx(expected)
    assert found.right.tolist() == [own == other for own, other in zip(true, given, strict=True)]
    assert set(scored.score) == {"f1_micro", "f1_macro"}


def test_resampled_f1_is_that_of_documents_drawn_again(tmp_path: Path):
    folder = write(tmp_path / "run", 0.5)
    true, given = tags_of(folder)
    runs = ScoredRuns({"run": folder}, resamples=5)
    scored = runs("run")
    weights = runs._weights(scored.ids)[1:].astype(int)
    for row, value in zip(weights, scored.resampled["f1_micro"], strict=True):
        drawn = [(true[n], given[n]) for n, times in enumerate(row) for _ in range(times)]
        expected = seqeval.f1_score(*map(list, zip(*drawn, strict=True)), mode="strict", scheme=IOB2)
        assert value == pytest.approx(expected)


def test_a_better_tagger_is_told_from_a_worse_one_and_from_itself_not(tmp_path: Path):
    folders = {f"run{seed}": write(tmp_path / f"run{seed}", 0.45, seed) for seed in range(2)}
    folders |= {f"twin{seed}": write(tmp_path / f"twin{seed}", 0.9, seed + 10) for seed in range(2)}
    pairs = pairs_of([{"seed": seed, "run": f"run{seed}", "twin": f"twin{seed}"} for seed in range(2)])
    row = paired_comparisons(pairs, folders, 500).iloc[0]
    expected = [
        seqeval.f1_score(*tags_of(folders[f"run{seed}"]), mode="strict", scheme=IOB2)
        - seqeval.f1_score(*tags_of(folders[f"twin{seed}"]), mode="strict", scheme=IOB2)
        for seed in range(2)
    ]
    assert row["f1_micro"] == pytest.approx(np.mean(expected))
    assert row["f1_micro_low"] > 0
    assert np.isnan(row["map_macro"])
    assert row["documents"] == 60
    assert row["only_run"] > row["only_twin"]


def test_words_have_no_reliability_of_labels_and_it_says_so(tmp_path: Path):
    folders = {"run": write(tmp_path / "run", 0.5)}
    _, summary = reliability(pd.DataFrame({"run": ["run"], "arm": "a", "seed": 0}), folders)
    assert summary["seeds"].tolist() == [0]
    assert "words have tags" in summary["sentence"][0]


def test_pictures_of_entities_are_there(tmp_path: Path):
    folder = write(tmp_path / "run", 0.6)
    assert (folder / "per_label_f1.png").stat().st_size > 5000
    assert (folder / "confusions.png").stat().st_size > 5000
