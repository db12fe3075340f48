"""What an answer costs: finished runs asked in turns, on an idle machine.

``python -m benchmarks.latency ROUNDS RUN RUN…``: a run is a folder with a saved model. Adds to
``docs/matrices/latency.csv`` milliseconds a document, medians over rounds, which ``benchmarks.heads`` shows. A record
has the same numbers of the run itself, which say more of what else the machine did. Another machine is another clock:
one of the runs that are there already is to be among those that are measured.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
from omegaconf import OmegaConf

from benchmarks.heads import LATENCY
from patentlab.config import from_settings
from patentlab.data.documents import read_documents
from patentlab.inference import load
from patentlab.tracking.description import describe_cost


def measure(folders: list[Path], rounds: int) -> pd.DataFrame:
    """Time answers.

    Args:
        folders: Of runs on the same test documents.
        rounds: In each of them every run answers once.

    Returns:
        A row a run: ``run, batch_1, batch_32`` in milliseconds a document.
    """
    settings: Any = OmegaConf.to_container(OmegaConf.load(folders[0] / "config.yaml"))
    texts = [document.text for document in read_documents(from_settings(settings)).split.test]
    runs = {folder.name: load(folder).classifier for folder in folders}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in runs}
    for number in range(rounds):
        for name, classifier in runs.items():
            found[name].append(describe_cost(classifier, texts)[1]["ms_per_document"])
            print(number, name, found[name][-1], file=sys.stderr)
    return pd.DataFrame(
        {"run": name, **{size: median(one[size] for one in rows) for size in rows[0]}} for name, rows in found.items()
    )


def main() -> None:
    """Measure and keep."""
    rounds, *names = sys.argv[1:]
    kept = [pd.read_csv(LATENCY)] if LATENCY.is_file() else []
    found = measure([Path(name) for name in names], int(rounds)).round(1)
    pd.concat([*kept, found]).drop_duplicates("run", keep="last").to_csv(LATENCY, index=False)


if __name__ == "__main__":
    main()
