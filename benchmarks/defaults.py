"""How the default settings compare on few real patents: the table of docs/defaults.md, out of sweeps' matrices.

python -m benchmarks.defaults multirun/…/matrix.csv [more …]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pandas as pd

METRICS = ["f1_micro", "f1_macro"]
ARM = ["choices.regime", "choices.model", "choices.adapter"]


def read(paths: Sequence[str]) -> pd.DataFrame:
    """Finished runs of all sweeps.

    Args:
        paths: Of ``matrix.csv`` files.

    Returns:
        A row a run; of runs with the same key the last.
    """
    runs = pd.concat([pd.read_csv(path) for path in paths], ignore_index=True)
    return runs[runs["status"] == "finished"].drop_duplicates("key", keep="last")


def summarise(runs: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over seeds of each arm's test metrics.

    Args:
        runs: As of :func:`read`.

    Returns:
        A row an arm.
    """
    columns = {f"metrics.test.{name}": name for name in METRICS} | {"metrics.validation.f1_micro": "validation"}
    grouped = runs.rename(columns=columns).groupby(ARM)
    table = pd.DataFrame({"seeds": grouped.size()})
    for name in columns.values():
        table[f"{name} mean"], table[f"{name} std"] = grouped[name].mean(), grouped[name].std()
    return table.reset_index().rename(columns=lambda name: name.removeprefix("choices."))


def compare(runs: pd.DataFrame, one: tuple[str, str], other: tuple[str, str]) -> pd.DataFrame:
    """Differences between two arms, seed by seed: the same split and the same training documents.

    Args:
        runs: As of :func:`read`.
        one: Model and adapter.
        other: Model and adapter, what is subtracted.

    Returns:
        A row a regime and metric: mean, smallest and largest difference.
    """
    rows = []
    for metric in METRICS:
        values = runs.pivot_table(
            index=["choices.regime", "choices.seed"],
            columns=["choices.model", "choices.adapter"],
            values=f"metrics.test.{metric}",
        )
        if one not in values or other not in values:
            continue
        differences = (values[one] - values[other]).dropna()
        for regime, difference in differences.groupby(level=0):
            rows.append(
                {
                    "regime": regime, "difference": f"{'-'.join(one)} − {'-'.join(other)}", "metric": metric,
                    "seeds": len(difference), "mean": difference.mean(), "min": difference.min(),
                    "max": difference.max(),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def markdown(table: pd.DataFrame, number: str) -> str:
    """A table as Markdown.

    Args:
        table: Any.
        number: Format of its fractions.
    """
    rows = [[number.format(cell) if isinstance(cell, float) else str(cell) for cell in row] for row in table.to_numpy()]
    return "\n".join(f"| {' | '.join(row)} |" for row in [list(map(str, table)), ["---"] * table.shape[1], *rows])


def main(paths: Sequence[str]) -> None:
    """Print both tables."""
    runs = read(paths)
    print(markdown(summarise(runs), "{:.3f}"), end="\n\n")
    tuned = [("minilm", "full"), ("smollm2_135m", "lora")]
    pairs = [(arm, (arm[0], "frozen")) for arm in tuned]
    pairs += [(arm, ("tfidf_linear", "none")) for arm in (*tuned, ("minilm", "frozen"), ("smollm2_135m", "frozen"))]
    print(markdown(pd.concat([compare(runs, *pair) for pair in pairs]), "{:+.3f}"))


if __name__ == "__main__":
    main(sys.argv[1:])
