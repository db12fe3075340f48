"""Numbers in the documentation are those of the matrices that are kept beside it."""

import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import heads, replication
from benchmarks.pages import fill
from patentlab.analysis.arms import arms, scores
from patentlab.analysis.matrix import read_kept_matrix
from tests.conftest import ROOT

DOCS = ROOT / "docs"
ARMS = {
    "": "real only", "real only": "real only", "duplicates to match": "duplicates to match",
    "synthetic": "smollm2_135m, label-conditioned", "real only, focal loss": "real only, focal loss",
    "real only, as many steps": "real only, as many steps",
}  # fmt: skip
MODELS = {"constant answer": "constant", "TF-IDF": "tfidf_linear", "MiniLM frozen": "minilm"}


def test_the_table_of_synthetic_documents_is_that_of_its_matrix():
    runs = arms(read_kept_matrix(DOCS / "matrices" / "synthesis.parquet"))
    values = {
        (row["model"], str(row["arm"]), row["regime"], row["mix"], metric): row["mean"]
        for metric in ("f1_micro", "f1_macro")
        for row in scores(runs, metric).to_dict("records")
    }
    printed = re.findall(
        r"^\| ([^|]+) ((?:\| \d\.\d{3} / \d\.\d{3} ){4})\|$", (DOCS / "synthesis.md").read_text(), re.M
    )
    assert len(printed) == 9
    for name, cells in printed:
        model, _, arm = name.partition(", ")
        numbers = [float(number) for number in re.findall(r"\d\.\d{3}", cells)]
        own = [
            values[MODELS[model], ARMS[arm], regime, share, metric]
            for regime in ("1:100", "1:10")
            for share in (0.2, 0.3)
            for metric in ("f1_micro", "f1_macro")
        ]
        assert numbers == pytest.approx(own, abs=5.1e-4), name


@pytest.mark.parametrize("made_by", [replication, heads], ids=["replication", "heads"])
def test_a_page_is_that_of_its_matrix(made_by: Any):
    page = made_by.PAGE.read_text(encoding="utf-8")
    found = made_by.blocks(read_kept_matrix(made_by.MATRIX))
    assert set(re.findall(r"<!-- (\w+) -->", page)) == {*found, "end"}
    assert fill(page, found) == page
    for name in re.findall(r"\]\((figures/.+?)\)", page):
        assert (DOCS / name).is_file(), name


@pytest.mark.parametrize("path", sorted((DOCS / "matrices").glob("*.parquet")), ids=lambda path: path.stem)
def test_kept_matrices_say_nothing_of_the_machine_they_were_made_on(path: Path):
    matrix = read_kept_matrix(path)
    assert (matrix["status"] == "finished").all()
    for name in matrix:
        assert not matrix[name].astype(str).str.match(r"^(/|[A-Z]:\\)").any(), name


def test_tables_of_a_page_come_from_a_matrix():
    matrix = read_kept_matrix(DOCS / "matrices" / "synthesis.parquet")
    found = replication.blocks(matrix[matrix["choices.mix"] == 0.3])
    cells = {name: [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
             for name, table in found.items()}  # fmt: skip
    assert cells["scores"][0] == ["classifier", "arm", "1:100", "1:10"]
    assert ["TF-IDF", "real only", "0.515 / 0.091", "0.530 / 0.104"] in cells["scores"]
    assert [row[0] for row in cells["scores"][2:]] == ["constant answer"] + ["TF-IDF"] * 3 + ["MiniLM frozen"] * 5
    assert cells["points"][2][:3] == ["label-conditioned", "1:100", "0.0329"]
    assert cells["points"][2][5:7] == ["-0.061", "-0.054"]
    assert ["MiniLM frozen", "1:10", "macro-F1", "1", "", "", "", ""] in cells["correlations"]
    assert "nan" not in "".join(found.values())
    page = "# A page\n\n<!-- points -->\nold\n<!-- end -->\n\nText.\n"
    filled = fill(page, found)
    assert filled == f"# A page\n\n<!-- points -->\n\n{found['points']}\n\n<!-- end -->\n\nText.\n"
    assert fill(filled, found) == filled
