"""Documents made elsewhere: read, screened, drawn; and the runs that learn from them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from patentlab.config import RequestError
from patentlab.console.command_line import compose
from patentlab.corpus import Document, LabelSpace
from patentlab.data.splits import Split
from patentlab.protocols import Silent
from patentlab.synthesis.strategies import Added, Context, find_strategy
from patentlab.tracking.identity import input_fingerprints, run_key
from tests.synthesis.scripted_server import document

WORDS = document(0).split() + document(1).split()
LABELS = LabelSpace(("ear", "seat"), {"ear": "hearing aid", "seat": "seat cushion"})


def text(seed: int) -> str:
    """Words in an order that no other text has."""
    return "The " + " ".join(np.random.default_rng(seed).choice(WORDS, 60)) + "."


REAL = [Document(f"r{n}", text(n), ("ear",) if n % 2 else ("seat",)) for n in range(6)]
SPLIT = Split(tuple(REAL), (Document("v", text(100), ("ear",)),), (Document("t", text(200), ("seat",)),))
ROWS: list[dict[str, Any]] = [{"text": text(1000 + n), "labels": ["ear", "seat"][: 1 + n % 2]} for n in range(20)]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    match path.suffix:
        case ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        case ".parquet":
            pd.DataFrame(rows).to_parquet(path)
        case suffix:
            joined = [{**row, "labels": ";".join(row["labels"])} for row in rows]
            pd.DataFrame(joined).to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    return path


def take(path: Path, count: int, *more: str, **context: Any) -> Added:
    config = compose("strategy=corpus", f"strategy.path={path}", "mix=0.5", *more)
    given = Context(config, REAL, REAL, REAL, SPLIT, LABELS, Silent())
    return find_strategy("corpus").add(replace(given, **context), count)


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv", ".parquet"])
def test_every_format_gives_the_same_documents(tmp_path: Path, suffix: str):
    made = take(write(tmp_path / f"made{suffix}", ROWS), 20)
    assert {d.text: d.labels for d in made.documents} == {row["text"]: tuple(row["labels"]) for row in ROWS}
    assert {d.origin for d in made.documents} == {"corpus"}
    assert made == take(tmp_path / f"made{suffix}", 20)
    assert [d.id for d in made.documents] != sorted(d.id for d in made.documents)  # drawn
    assert take(tmp_path / f"made{suffix}", 7).documents == made.documents[:7]
    assert take(tmp_path / f"made{suffix}", 7, "seed=1").documents != made.documents[:7]


def test_documents_are_screened_as_generated_ones_are(tmp_path: Path):
    bad = {
        "copies_train": {"text": text(3), "labels": ["ear"]},
        "copies_validation": {"text": text(100), "labels": ["ear"]},
        "copies_test": {"text": text(200), "labels": ["ear"]},
        "source_held_out": {"text": text(2000), "labels": ["ear"], "source_id": "t"},
        "unknown_label": {"text": text(2001), "labels": ["ear", "hand"]},
        "too_short": {"text": "A wheel turns.", "labels": ["ear"]},
        "loop": {"text": "The wheel turns about the ear of the seat. " * 20, "labels": ["seat"]},
    }
    good = {
        "id": "mine",
        "text": f"My title. {text(2002)}",
        "labels": ["seat", "ear"],
        "title": "My title",
        "source_id": "r4",
    }
    twice = {"text": text(2003), "labels": ["ear"]}
    path = write(tmp_path / "made.jsonl", [*bad.values(), good, twice, twice])
    with pytest.raises(RequestError, match=r"made.jsonl: 2 of 5 documents; it has 10, rejected: .*on_shortage=shrink"):
        take(path, 5)
    made = take(path, 5, "strategy.on_shortage=shrink")
    assert made.report["rejected"] == dict.fromkeys([*bad, "copies_synthetic"], 1)
    assert (made.report["requested"], made.report["accepted"], made.report["attempts"]) == (5, 2, 10)
    (kept,) = [d for d in made.documents if d.source_id]
    assert (kept.labels, kept.title, kept.source_id) == (("seat", "ear"), "My title", "r4")
    assert made.rows is not None
    (row,) = [row for row in made.rows if row["source_id"]]
    assert (row["file_id"], row["id"]) == ("mine", kept.id)
    single = take(path, 2, "data.task=single_label")
    assert {len(d.labels) for d in single.documents} == {1}  # the main one
    ears = take(write(tmp_path / "more.jsonl", ROWS), 10, agrees=lambda d: d.labels == ("ear",))
    assert {d.labels for d in ears.documents} == {("ear",)}
    assert ears.report["rejected"]["disagrees"] == ears.report["attempts"] - 10


def test_a_paraphrase_made_elsewhere_is_held_against_its_source(tmp_path: Path):
    source = REAL[0].text
    half = " ".join([*source.split()[: len(source.split()) // 2], text(5000)])
    path = write(tmp_path / "made.jsonl", [{"text": half, "labels": ["seat"], "source_id": "r0"}])
    made = take(path, 1, "strategy.on_shortage=shrink")
    assert made.report["rejected"] == {"copies_example": 1}
    assert len(take(path, 1, "strategy.screening.max_copied=0.6").documents) == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.jsonl", None, r"none.jsonl: no such file; give one with strategy.path=…"),
        ("a.txt", "x", r"a.txt: must end in one of .jsonl, .csv, .tsv, .parquet"),
        ("a.jsonl", '{"text": "x", "labels": ["ear"]}\n{"text": 3}\n', "a.jsonl:2: text is no text but int"),
        ("a.jsonl", '{"text": "x"}\n', "a.jsonl:1: no field labels; found text"),
        ("a.csv", "text,label\nx,ear\n", "no column labels; found text, label"),
        ("a.parquet", "no parquet", "a.parquet: no parquet file that can be read"),
    ],
)
def test_a_wrong_file_is_told_by_its_place(tmp_path: Path, name: str, content: str | None, message: str):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(RequestError) as raised:
        take(tmp_path / name, 1)
    assert message in str(raised.value)


def test_the_bytes_of_a_file_stand_for_its_path(tmp_path: Path):
    first, other = write(tmp_path / "a.jsonl", ROWS), write(tmp_path / "b.jsonl", ROWS)

    def key(path: Path, *more: str) -> str:
        config = compose("model=tfidf_linear", "strategy=corpus", f"strategy.path={path}", *(more or ("mix=0.5",)))
        fingerprints = input_fingerprints(config)
        assert ("corpus" in fingerprints) == (config.strategy_used == "corpus")
        return run_key(config, fingerprints)

    before = key(first)
    assert key(other) == before
    assert key(first, "mix=0.5", "strategy.screening.min_words=5") != before
    real_only = run_key(plain := compose("model=tfidf_linear"), input_fingerprints(plain))
    assert key(first, "mix=1") == real_only
    write(other, ROWS[:-1])
    assert key(other) != before
    with pytest.raises(RequestError, match=r"strategy.path: must be given; write strategy.path=…"):
        compose("strategy=corpus", "mix=0.5")
    with pytest.raises(RequestError, match=r"no such file; give one with strategy.path"):
        key(tmp_path / "none.jsonl")
