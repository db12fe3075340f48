"""The tables of ``docs/replication.md``, and the figures that it shows, from the run matrix that is kept beside it.

``python -m benchmarks.replication``: writes them anew; what the text says of them is not checked.
``python -m benchmarks.replication multirun/A multirun/B``: keeps the matrix of these sweeps first.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from benchmarks.pages import fill, keep
from patentlab.analysis.arms import Runs, arms
from patentlab.analysis.claims import check_claims, read_claims
from patentlab.analysis.fidelity_gain import correlations, kept_part, points
from patentlab.analysis.matrix import read_kept_matrix
from patentlab.analysis.quantities import Evidence
from patentlab.analysis.strategies import augmented
from patentlab.analysis.tables import tables
from patentlab.config import config_folder
from patentlab.figures.saving import save
from patentlab.report.pictures import pictures
from patentlab.statistics.correlation import pearson
from patentlab.statistics.correlation_difference import compare_paired
from patentlab.statistics.undecidable import UndecidableError

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "replication.md"
MATRIX = DOCS / "matrices" / "replication.parquet"
MODELS = {
    ("constant", "none"): "constant answer",
    ("tfidf_linear", "none"): "TF-IDF",
    ("minilm", "frozen"): "MiniLM frozen",
    ("minilm", "full"): "MiniLM tuned",
}
METRICS = ("f1_micro", "f1_macro")
MEASURES = ("mmd2", "label_consistency")
CONTRASTS = {"gain": "real only", "controlled_gain": "duplicates"}
_WITHIN, _AGAINST = "r, label-conditioned alone", "p against −MMD² (Meng)"


def blocks(matrix: pd.DataFrame) -> dict[str, str]:
    """The tables, as Markdown.

    Args:
        matrix: Of the replication.

    Returns:
        By the names of their places in the page.
    """
    evidence = Evidence(matrix)
    found = {metric: tables(evidence, metric) for metric in METRICS}
    every_corpus = Evidence(matrix[matrix["choices.adapter"] != "full"])  # all weights were trained on two alone
    claims = check_claims(every_corpus, read_claims(config_folder() / "claims" / "synthetic_data.yaml"))
    return {
        "scores": _scores(found),
        "points": _points(matrix, found),
        "correlations": _markdown(pd.concat(_correlations(found[m]["fidelity_correlations"], m) for m in METRICS)),
        "consistency": _consistency(evidence.pairs),
        "differences": _differences(found),
        "over_all": _over_all(found),
        "claims": _markdown(
            pd.DataFrame(
                {
                    "claim": claims["says"],
                    "verdict": claims["verdict"],
                    "estimate": _text(claims["value"], "+.3f"),
                    "interval (Holm)": _interval(claims, "low", "high", "+.3f"),
                    "p (Holm)": _text(claims["p_adjusted"], ".3f"),
                    "of": claims["sentence"],
                }
            )
        ),
    }


def main() -> None:
    """Keep the matrix of sweeps, if any are given; write tables into the page and figures beside it."""
    if folders := [Path(name) for name in sys.argv[1:]]:
        keep(folders).to_parquet(MATRIX, index=False)
    if not MATRIX.is_file():
        sys.exit(f"{MATRIX}: is not there yet; give the sweeps that it is made of")
    matrix = read_kept_matrix(MATRIX)
    found = blocks(matrix)
    page = fill(PAGE.read_text(encoding="utf-8"), found)
    PAGE.write_text(page, encoding="utf-8")
    (DOCS / "figures").mkdir(exist_ok=True)
    cell = arms(matrix).cell
    for measure in MEASURES:
        for picture in pictures(tables(Evidence(matrix), "f1_micro", measure), cell, "f1_micro", measure):
            if (name := f"figures/replication-{picture.name.replace('fidelity', measure)}.png") in page:
                save(picture.figure, DOCS / name)


def _scores(found: Mapping[str, Mapping[str, pd.DataFrame]]) -> str:
    keys = ["model", "adapter", "arm", "regime"]
    micro, macro = (found[m][f"scores_{m}"].set_index(keys)["mean"] for m in ("f1_micro", "f1_macro"))
    text = micro.map("{:.3f}".format) + " / " + macro.map("{:.3f}".format)
    return _markdown(_wide(text.rename("score").reset_index(), "arm"))


def _points(matrix: pd.DataFrame, found: Mapping[str, Mapping[str, pd.DataFrame]]) -> str:
    runs = arms(matrix).table
    runs = runs[augmented(runs["strategy"]) & (runs["model"] == "minilm") & (runs["adapter"] == "frozen")]
    about = runs.groupby(["arm", "regime"])[["fidelity.mmd2", "fidelity.label_consistency", "fidelity.words_mean"]]
    table = about.mean().set_axis(["MMD²", "label consistency", "words"], axis=1)
    for metric in METRICS:
        gains = found[metric][f"gains_{metric}"]
        gains = gains[(gains["model"] == "minilm") & (gains["adapter"] == "frozen")]
        for contrast, name in CONTRASTS.items():
            part = gains[gains["contrast"] == contrast].set_index(["arm", "regime"])
            gained = part["mean"].map("{:+.3f}".format)
            table[f"{metric.removeprefix('f1_')}-F1 over {name}"] = gained.reindex(table.index, fill_value="no control")
    table = table.sort_values("MMD²").reset_index().sort_values("regime", key=_scarcest_first, kind="stable")
    for name, form in (("MMD²", ".4f"), ("label consistency", ".2f"), ("words", ".0f")):
        table[name] = _text(table[name], form)
    return _markdown(table)


def _correlations(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Gain over real documents alone; over another control r is the same."""
    table = _in_order(table[table["contrast"] == "gain"])
    return pd.DataFrame(
        {
            "classifier": table["classifier"],
            "regime": table["regime"],
            "gain": metric.removeprefix("f1_") + "-F1",
            "n": table["n"],
            "r": _text(table["r"], "+.2f"),
            "95%": _interval(table, "r_low", "r_high"),
            "p (Holm)": _text(table["p_holm"], ".3f"),
            "Spearman": _text(table["spearman"], "+.2f"),
        }
    )


def _consistency(pairs: Runs) -> str:
    """Label consistency against gain: as for MMD², within one strategy, and whether it tells more than MMD²."""
    parts = []
    for metric in METRICS:
        of_labels, of_distance = (points(pairs, measure, metric) for measure in ("label_consistency", "mmd2"))
        rows = _correlations(correlations(of_labels, pairs.cell), metric)
        keys = ["contrast", *pairs.cell, "arm"]
        both = of_labels.merge(of_distance[[*keys, "x"]], on=keys, suffixes=("", "_distance"))
        both = both[both["contrast"] == "gain"].assign(classifier=_classifier)
        groups = both.groupby(["classifier", "regime"])
        more = [{"classifier": c, "regime": r, **_against_distance(part)} for (c, r), part in groups]
        parts.append(rows.merge(pd.DataFrame(more), on=["classifier", "regime"]))
    return _markdown(pd.concat(parts))


def _against_distance(points: pd.DataFrame) -> dict[str, str]:
    asked = points[points["strategy"] == "label_conditioned"]
    found = {_WITHIN: "", _AGAINST: ""}
    try:
        found[_WITHIN] = f"{pearson(asked['x'], asked['y']).r:+.2f}"
        compared = compare_paired(points["y"], points["x"], points["y"], -points["x_distance"])
        found[_AGAINST] = f"{compared.p:.2f}"
    except UndecidableError:
        pass  # a matrix with few corpora
    return found


def _differences(found: Mapping[str, Mapping[str, pd.DataFrame]]) -> str:
    parts = []
    for metric in METRICS:
        table = found[metric]["regime_differences"]
        table = table[(table["contrast"] == "gain") & table["difference"].notna()]
        parts.append(
            pd.DataFrame(
                {
                    "classifier": _classifier(table),
                    "gain": metric.removeprefix("f1_") + "-F1",
                    "r": _text(table["r_1"], "+.2f") + " and " + _text(table["r_2"], "+.2f"),
                    "difference, 95%": _text(table["difference"], "+.2f")
                    + " "
                    + _interval(table, "paired_low", "paired_high"),
                    "z": _text(table["paired_z"], "+.2f"),
                    "p": _text(table["paired_p"], ".3f"),
                    "test": table["paired_test"],
                    "z, separate samples": _text(table["z"], "+.2f"),
                }
            )
        )
    return _markdown(pd.concat(parts))


def _over_all(found: Mapping[str, Mapping[str, pd.DataFrame]]) -> str:
    """Mean gain over all corpora, and how many of their own intervals, over seeds and unadjusted, leave out 0."""
    parts = []
    for metric in METRICS:
        table = found[metric][f"gains_{metric}"]
        table = table[table["contrast"].isin(CONTRASTS)]
        grouped = table.groupby(["contrast", "model", "adapter", "regime"], sort=False)
        parts.append(
            grouped["mean"]
            .agg(["mean", "min", "max", "size"])
            .assign(lower=grouped["high"].agg(lambda high: int((high < 0).sum())))
            .assign(higher=grouped["low"].agg(lambda low: int((low > 0).sum())))
            .reset_index()
            .assign(metric=metric.removeprefix("f1_") + "-F1")
        )
    table = _in_order(pd.concat(parts))
    return _markdown(
        pd.DataFrame(
            {
                "classifier": _classifier(table),
                "regime": table["regime"],
                "gain": table["metric"] + " over " + table["contrast"].map(CONTRASTS),
                "mean of corpora": _text(table["mean"], "+.3f"),
                "from, to": _text(table["min"], "+.3f") + ", " + _text(table["max"], "+.3f"),
                "corpora": table["size"],
                "interval above 0": table["higher"],
                "interval below 0": table["lower"],
            }
        )
    )


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Regimes from the scarcest on, for each classifier."""
    table = table.sort_values("regime", key=_scarcest_first, kind="stable").assign(classifier=_classifier)
    return table.sort_values("classifier", key=_models_in_order, kind="stable")


def _scarcest_first(regimes: pd.Series[str]) -> pd.Series[float]:
    return -regimes.map(kept_part)


def _models_in_order(names: pd.Series[str]) -> pd.Series[int]:
    return names.map({name: place for place, name in enumerate(MODELS.values())})


def _classifier(table: pd.DataFrame) -> list[str]:
    return [MODELS[model, adapter] for model, adapter in zip(table["model"], table["adapter"], strict=True)]


def _text(values: pd.Series[float], form: str) -> pd.Series[str]:
    """Numbers as they are printed; nothing for what could not be told."""
    return values.map(lambda value: "" if pd.isna(value) else format(value, form)).astype(str)


def _interval(table: pd.DataFrame, low: str, high: str, form: str = "+.2f") -> pd.Series[str]:
    ends = "[" + _text(table[low], form) + ", " + _text(table[high], form) + "]"
    return ends.where(table[low].notna(), "")


def _wide(table: pd.DataFrame, rows: str) -> pd.DataFrame:
    """Classifiers and arms below, regimes beside each other."""
    table = table.assign(classifier=_classifier(table))
    regimes = sorted(table["regime"].unique(), key=lambda regime: -kept_part(str(regime)))
    wide = table.pivot_table("score", ["classifier", rows], "regime", aggfunc="first")[regimes].reset_index()
    return wide.sort_values("classifier", key=_models_in_order, kind="stable")


def _markdown(table: pd.DataFrame) -> str:
    if "arm" in table:  # one generator writes all, most of the time without examples
        short = table["arm"].astype(str).str.removeprefix("smollm2_135m, ").str.replace("examples 0, ", "")
        table = table.assign(arm=short.str.replace(r"examples (\d)", r"\1 examples", regex=True))
    return str(table.to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    main()
