"""The tables of ``docs/heads.md``, from the run matrix that is kept beside it.

``python -m benchmarks.heads``: writes them anew; what the text says of them is not checked.
``python -m benchmarks.heads multirun/A multirun/B``: adds the runs of these sweeps to the matrix first.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from benchmarks.pages import fill, keep
from patentlab.analysis.arms import arms
from patentlab.analysis.classifiers import classified
from patentlab.analysis.matrix import read_kept_matrix

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "heads.md"
MATRIX = DOCS / "matrices" / "heads.parquet"
LATENCY = DOCS / "matrices" / "latency.csv"  # as of benchmarks.latency
COLUMNS = {"f1_micro": "micro-F1", "f1_macro": "macro-F1", "map_macro": "mAP", "ece": "ECE"}
COSTS = {"batch_1": "ms alone", "batch_32": "ms in 32"}


def blocks(matrix: pd.DataFrame) -> dict[str, str]:
    """The tables, as Markdown, by regime.

    Args:
        matrix: A row a run.

    Returns:
        By the names of their places in the page, ``single_label_10`` for 1:10.
    """
    table = classified(arms(matrix)).table.merge(matrix[["run", "settings.data.task"]], on="run")
    measured = pd.read_csv(LATENCY) if LATENCY.is_file() else pd.DataFrame(columns=["run", *COSTS])
    known = table[["run", "classifier", "settings.data.task"]].merge(measured, on="run")
    found = {}
    for (task, regime), own in table.groupby(["settings.data.task", "regime"]):
        asked = known[known["settings.data.task"] == task]  # several labels may be several questions
        costs = asked.groupby("classifier")[[*COSTS]].first()
        found[f"{task}_{str(regime).partition(':')[2]}"] = _table(own, costs)
    return found


def _table(runs: pd.DataFrame, costs: pd.DataFrame) -> str:
    grouped = runs.groupby("classifier")
    found = grouped[[*COLUMNS, "parameters.trained"]].mean().assign(seeds=grouped["seed"].nunique()).join(costs)
    found = found.sort_values("f1_micro", ascending=False).reset_index()
    shown = pd.DataFrame({"classifier": found["classifier"], "seeds": found["seeds"]})
    for name, title in COLUMNS.items():
        shown[title] = found[name].map("{:.3f}".format)
    shown["trained"] = found["parameters.trained"].map("{:,.0f}".format)
    for name, title in COSTS.items():
        shown[title] = ["" if pd.isna(value) else f"{value:.1f}" for value in found[name]]
    return str(shown.to_markdown(index=False, disable_numparse=True))


def main() -> None:
    """Add the runs of sweeps to the matrix, if any are given, and write the tables into the page."""
    if folders := [Path(name) for name in sys.argv[1:]]:
        kept = [read_kept_matrix(MATRIX)] if MATRIX.is_file() else []
        matrix = pd.concat([*kept, keep(folders)], ignore_index=True)
        matrix.drop_duplicates("run", keep="last").to_parquet(MATRIX, index=False)
    if not MATRIX.is_file():
        sys.exit(f"{MATRIX}: is not there yet; give the sweeps that it is made of")
    page = fill(PAGE.read_text(encoding="utf-8"), blocks(read_kept_matrix(MATRIX)))
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
