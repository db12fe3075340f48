"""What fine-tuning reached by itself, and what ``head.fallback=probe`` would have made of it, out of sweeps' matrices.

python -m benchmarks.fallback multirun/…/matrix.csv [more …]

Runs have ``head.fallback=probe``, whose records hold both: the tuned model is that of ``head.fallback=null``.
"""

from __future__ import annotations

import sys

import pandas as pd

from benchmarks.defaults import ARM, markdown, read

METRICS = ("f1_micro", "f1_macro", "map_macro")


def summarise(runs: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds.

    Args:
        runs: As of :func:`benchmarks.defaults.read`; those without a fallback are passed over.

    Returns:
        A row an arm: micro-F1, macro-F1 and mAP on test documents, micro-F1 on validation ones before them.
    """
    runs = runs[runs["fallback.kept"].notna()]
    rows = []
    for arm, group in runs.groupby(ARM):
        row: dict[str, object] = dict(zip((name.removeprefix("choices.") for name in ARM), arm, strict=True))
        row |= {"seeds": len(group), "trained": int(group["parameters.trained"].max())}
        for kind in ("tuned", "probe"):
            row[f"{kind}, validation"] = f"{group[f'fallback.{kind}.validation.f1_micro'].mean():.3f}"
            row[f"{kind}, test"] = " / ".join(f"{group[f'fallback.{kind}.test.{name}'].mean():.3f}" for name in METRICS)
        row["with the fallback, test"] = " / ".join(f"{group[f'metrics.test.{name}'].mean():.3f}" for name in METRICS)
        row["kept the probe"] = f"{int((group['fallback.kept'] == 'probe').sum())} of {len(group)}"
        rows.append(row)
    return pd.DataFrame(rows)


def by_seed(runs: pd.DataFrame) -> pd.DataFrame:
    """Micro-F1 of each run: validation, then test."""
    runs = runs[runs["fallback.kept"].notna()].sort_values([*ARM, "choices.seed"])
    names = {name: name.removeprefix("choices.") for name in (*ARM, "choices.seed")}
    table = runs[list(names)].rename(columns=names)
    for kind in ("tuned", "probe"):
        validation, test = (runs[f"fallback.{kind}.{part}.f1_micro"] for part in ("validation", "test"))
        table[kind] = [f"{one:.3f}, {other:.3f}" for one, other in zip(validation, test, strict=True)]
    table["kept"] = runs["fallback.kept"]
    return table


def main() -> None:
    """Print both tables in Markdown."""
    runs = read(sys.argv[1:])
    print(markdown(summarise(runs), "{:.3f}"), end="\n\n")
    print(markdown(by_seed(runs), "{:.3f}"))


if __name__ == "__main__":
    main()
