"""The report of a sweep: tables in four formats, figures in two, and one HTML file to read and send on."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, select_autoescape
from matplotlib.figure import Figure

from patentlab.analysis.arms import Runs
from patentlab.analysis.claims import Claims, check_claims
from patentlab.analysis.fidelity_gain import comparable
from patentlab.analysis.predictions import paired_comparisons, per_label, reliability, seed_aggregates
from patentlab.analysis.quantities import Evidence
from patentlab.analysis.tables import by_regime, tables
from patentlab.config import RequestError, closest
from patentlab.figures.arms import arm_bars, leakage, parameters, retrieval
from patentlab.figures.calibration import reliability as draw_reliability
from patentlab.figures.fidelity import fidelity_against_gain
from patentlab.figures.mixing import learning_curves, orderings, score_against_share
from patentlab.figures.per_label import arms_per_label
from patentlab.figures.saving import save
from patentlab.statistics.power import LEVEL
from patentlab.storage import write_atomically

Tables = Mapping[str, pd.DataFrame]
_NAMES = {
    "f1_micro": "micro-F1",
    "f1_macro": "macro-F1",
    "mmd2": "MMD²",
    "frechet": "Fréchet distance",
    "label_consistency": "label consistency",
    "gain": "gain over real only",
    "controlled_gain": "gain over duplicates to match",
    "step_matched_gain": "gain over as many steps on real only",
    "gain_over_reweighting": "gain over focal loss on real only",
}
TITLES = {
    "claims": "Claims",
    "problems": "Runs that are not analysed",
    "scores_f1_micro": "Micro-F1 by arm",
    "scores_f1_macro": "Macro-F1 by arm",
    "gains_f1_micro": "Gains in micro-F1",
    "gains_f1_macro": "Gains in macro-F1",
    "without_twin": "Augmented runs without a twin",
    "comparisons": "Paired comparisons on the same documents",
    "aggregates": "Aggregates over cells",
    "fidelity_points": "Synthetic corpora: fidelity and gain",
    "generator_gains": "Gains over all generators",
    "fidelity_correlations": "Fidelity against gain",
    "regime_differences": "Do regimes differ?",
    "influence": "Without one generator",
    "shares": "Score against the share of real documents",
    "best_shares": "The best share",
    "learning": "Learning curves",
    "orderings": "Orderings",
    "leakage": "Leakage controls",
    "retrieval": "Retrieval before and after training",
    "parameters": "Trained parameters",
    "published": "Published numbers, and ours",
    "recomputed": "Published correlations, recomputed",
}
_HIDDEN = ("fidelity_lines",)  # drawn, and not worth reading
_CLASSIFIER = ("model", "head", "adapter")
_CONTROLS = ("real only", "duplicates", "random")
_CAPTIONS = {
    "arms": "Score of each arm, mean over seeds with 95% intervals (Student's t)",
    "fidelity": "Fidelity of each synthetic corpus and what it gained, with the 95% band of the fitted line",
    "shares": "Score against the share of real documents at a fixed budget; below, the interval of the best share",
    "learning": "Score against the number of real training documents",
    "orderings": "Orderings of the mix",
    "leakage": "Controls for what the names of labels give away",
    "retrieval": "nDCG@10 of the backbone's vectors before and after training",
    "parameters": "Score against trained parameters",
    "per_label": "F1 of each label",
    "calibration": "Predicted probabilities against frequencies",
}


@dataclass(frozen=True)
class Picture:
    """A figure of a report.

    Attributes:
        name: Of its files.
        figure: Drawn.
        shows: What of, for its caption.
    """

    name: str
    figure: Figure
    shows: str


def pictures(found: Tables, cell: Sequence[str], metric: str = "f1_micro", fidelity: str = "mmd2") -> Iterator[Picture]:
    """Draw what tables hold; nothing for those that are empty.

    Args:
        found: As of :func:`patentlab.analysis.tables.tables`.
        cell: The columns of their conditions.
        metric: That they were made for.
        fidelity: Likewise.

    Yields:
        A figure for each table, and for each set of conditions that one figure cannot show together.
    """
    score, measure = _NAMES.get(metric, metric), _NAMES.get(fidelity, fidelity)
    table = found[f"scores_{metric}"]
    constant = table[table["model"] == "constant"]
    floor = constant.groupby("regime", sort=False)["mean"].mean().reset_index() if len(constant) else None
    for conditions, part in _split(table[table["model"] != "constant"], cell, "regime"):
        yield _picture("arms", conditions, arm_bars(_sorted(part), score, floor))
    for conditions, part in _split(found["fidelity_points"], ["contrast", *cell], "regime"):
        if part["regime"].value_counts().max() < 2:
            continue  # a point is no relation
        fits = _same(found["fidelity_correlations"], conditions)
        bands = _same(found["fidelity_lines"], conditions)
        gain = f"{score}: {_NAMES.get(str(part['contrast'].iloc[0]), 'gain')}"
        drawn = fidelity_against_gain(_sorted(_sources(part, [*cell])), _sorted(fits), bands, measure, gain)
        yield _picture("fidelity", conditions, drawn)
    for conditions, part in _split(found["shares"], cell, "regime", "mix"):
        best = _same(found["best_shares"], conditions)
        best = best.assign(model=best["arm"]) if len(best) else best
        drawn = score_against_share(_sorted(part.assign(model=part["arm"])), best, score)
        yield _picture("shares", conditions, drawn)
    for conditions, part in _split(found["learning"], cell, "regime", *_CLASSIFIER):
        lines = _classifiers(part[part["arm"] == _CONTROLS[0]])
        together = len(lines["arm"].unique()) > 1
        if together and len(lines["regime"].unique()) > 1:
            yield _picture("learning", conditions, learning_curves(lines, score))
        for classifier, own in _split(part, _CLASSIFIER):
            if len(own["regime"].unique()) > 1 and not (together and set(own["arm"]) == {_CONTROLS[0]}):
                yield _picture("learning", {**conditions, **classifier}, learning_curves(own, score))
    for conditions, part in _split(found["orderings"], cell, "regime", "ordering"):
        yield _picture("orderings", conditions, orderings(_sorted(part), score))
    for conditions, part in _split(found["leakage"], cell):
        yield _picture("leakage", conditions, leakage(_sorted(part), score))
    for conditions, part in _split(found["retrieval"], cell):
        yield _picture("retrieval", conditions, retrieval(_sorted(part)))
    for conditions, part in _split(found["parameters"], cell, *_CLASSIFIER):
        heads = part["head"].astype(str) + ", " + part["adapter"].astype(str)
        arm = str(min(part["arm"], key=lambda name: (name != _CONTROLS[0], -(part["arm"] == name).sum())))
        part = part[part["arm"] == arm]
        if len(part) > 1:
            yield _picture("parameters", conditions, parameters(part.assign(head=heads), score, arm))


def prediction_pictures(runs: Runs, folders: Mapping[str, Path]) -> Iterator[Picture]:
    """Draw what the predictions of runs say, where their folders are at hand: single labels, and calibration.

    Args:
        runs: As of :func:`patentlab.analysis.arms.arms`.
        folders: Of the runs.

    Yields:
        Two figures a cell.
    """
    table = runs.table[runs.table["run"].isin(folders) & (runs.table["model"] != "constant")]
    for conditions, part in _split(table, runs.cell):
        labels = per_label(part, folders)
        if labels["label"].notna().any():
            yield _picture("per_label", conditions, arms_per_label(_sorted(labels), "F1 by label"))
        bins, errors = reliability(part, folders)
        if len(bins):
            yield _picture("calibration", conditions, draw_reliability(_sorted(bins), _sorted(errors)))


def make_report(
    title: str,
    matrix: pd.DataFrame,
    folders: Mapping[str, Path],
    family: Claims | None,
    metric: str,
    fidelity: str,
    folder: Path,
) -> dict[str, pd.DataFrame]:
    """Analyse a matrix and write its report.

    Args:
        title: Of the page.
        matrix: As of :func:`patentlab.analysis.matrix.read_matrix`.
        folders: Of its runs, where they are at hand.
        family: Claims to check.
        metric: Of gains and figures.
        fidelity: Measure of it.
        folder: Where to.

    Returns:
        The tables.

    Raises:
        RequestError: No run finished, or none has the metric or measure.
    """
    evidence = Evidence(matrix)
    runs = evidence.runs.table
    if runs.empty:
        raise RequestError("sweep: no run finished")
    if metric not in runs:
        raise RequestError(f"metric={closest(metric, map(str, runs))}: runs have no such metric")
    measures = [str(name).removeprefix("fidelity.") for name in runs if str(name).startswith("fidelity.")]
    if measures and fidelity not in measures:
        raise RequestError(f"fidelity={closest(fidelity, measures)}: allowed are {', '.join(measures)}")
    found = tables(evidence, metric, fidelity)
    # a bootstrap's p is at least 1 / (resamples + 1), which Holm multiplies by the number of rows
    resamples = min(max(2_000, 40 * len(found["gains_f1_micro"])), 10_000)
    found["comparisons"] = paired_comparisons(evidence.pairs, folders, resamples)
    found["aggregates"] = seed_aggregates(evidence.runs, metric)
    if family is not None:
        found["claims"] = check_claims(evidence, family)
    drawn = [*pictures(found, evidence.runs.cell, metric, fidelity), *prediction_pictures(evidence.runs, folders)]
    write_report(title, found, drawn, sentences(found, len(runs)), folder)
    return found


def sentences(found: Tables, finished: int) -> list[str]:
    """What a report begins with.

    Args:
        found: The tables.
        finished: Distinct finished runs.

    Returns:
        A sentence each.
    """
    counts = found["problems"]["problem"].value_counts()
    said = [f"{finished} finished runs are analysed" + "".join(f"; {n} {what}" for what, n in counts.items()) + "."]
    if without := len(found["without_twin"]):
        said.append(f"{without} comparisons lack a twin; they are listed, and in no mean.")
    gains = found["gains_f1_micro"]
    for contrast, part in gains.groupby("contrast", sort=False):
        better, worse = ((part["p_holm"] < LEVEL) & (sign * part["mean"] > 0) for sign in (1, -1))
        said.append(
            f"{_NAMES[str(contrast)].capitalize()}: micro-F1 is higher in {better.sum()} and lower in {worse.sum()} of "
            f"{len(part)} rows at level {LEVEL} (Holm over all of them); mean {part['mean'].mean():+.3f}."
        )
    if "claims" in found:
        verdicts = found["claims"]["verdict"].value_counts()
        said.append("Claims: " + ", ".join(f"{n} {verdict}" for verdict, n in verdicts.items()) + ".")
    return said


def write_report(title: str, found: Tables, drawn: Sequence[Picture], said: Sequence[str], folder: Path) -> Path:
    """Write all of a report.

    Args:
        title: Of the page.
        found: Tables by name; empty ones are left out.
        drawn: Figures.
        said: Sentences to begin with.
        folder: Where to: ``tables/``, ``figures/`` and ``report.html``; what an earlier report left there goes.

    Returns:
        The page.
    """
    for kind, patterns in (("tables", ("*.csv", "*.parquet", "*.tex", "*.md")), ("figures", ("*.pdf", "*.png"))):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for pattern in patterns:
            for path in (folder / kind).glob(pattern):
                path.unlink()
    shown = {name: table for name, table in found.items() if len(table)}
    for name, table in shown.items():
        write_table(table, folder / "tables" / name)
    for picture in drawn:
        for suffix in ("pdf", "png"):
            save(picture.figure, folder / "figures" / f"{picture.name}.{suffix}")
    images = [(picture, _embedded(folder / "figures" / f"{picture.name}.png")) for picture in drawn]
    pages = Environment(loader=PackageLoader("patentlab", "."), autoescape=select_autoescape())
    read = {name: readable(table) for name, table in shown.items() if name not in _HIDDEN}
    page = pages.get_template("report.html.j2").render(
        title=title, said=said, images=images, version=version("patentlab"),
        tables=[(name, TITLES.get(name, name), table.to_html(index=False, border=0, na_rep=""), len(table))
                for name, table in read.items()],
    )  # fmt: skip
    path = folder / "report.html"
    write_atomically(path, page)
    return path


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV and Parquet with all digits, and as LaTeX and Markdown to be read.

    Args:
        table: Tidy.
        path: Without a suffix.
    """
    table.to_csv(path.with_name(f"{path.name}.csv"), index=False)
    plain = table.map(lambda value: str(value) if isinstance(value, list | dict) else value)
    mixed = [name for name in plain if len({type(value) for value in plain[name].dropna()}) > 1]
    plain.astype(dict.fromkeys(mixed, str)).to_parquet(path.with_name(f"{path.name}.parquet"), index=False)
    printed = readable(table)
    latex = printed.map(_latex).rename(columns=_latex).to_latex(index=False, na_rep="")
    path.with_name(f"{path.name}.tex").write_text(latex, encoding="utf-8")
    markdown = printed.to_markdown(index=False, disable_numparse=True, missingval="")
    path.with_name(f"{path.name}.md").write_text(str(markdown) + "\n", encoding="utf-8")


def _classifiers(table: pd.DataFrame) -> pd.DataFrame:
    """Named by model, and by head and adapter where it has any, in place of the arm."""
    words = [" ".join(word for word in row if word != "none") for row in table[[*_CLASSIFIER]].astype(str).to_numpy()]
    return table.assign(arm=words)


def _sources(points: pd.DataFrame, cell: list[str]) -> pd.DataFrame:
    """The points that a correlation is over, told apart by generator, and by strategy where there are several."""
    points = comparable(points, cell)
    clusters = points["cluster"].astype(str)
    if len(points["strategy"].unique()) > 1:
        clusters += ", " + points["strategy"].str.replace("_", "-")
    return points.assign(point=points["arm"], cluster=clusters)


def _picture(kind: str, conditions: Mapping[str, Any], figure: Figure) -> Picture:
    words = ", ".join(f"{name.rpartition('.')[2]} {_word(value)}" for name, value in conditions.items())
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(str(_word(value)) for value in conditions.values())).strip("-")
    return Picture(f"{kind}-{slug}" if slug else kind, figure, f"{_CAPTIONS[kind]}{words and ': '}{words}")


def _split(table: pd.DataFrame, cell: Sequence[str], *shown: str) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """A table by the conditions that vary in it, but for those that a figure shows; regimes from the scarcest on."""
    if table.empty:
        return
    varied = [name for name in cell if name in table and name not in shown and len(table[name].unique()) > 1]
    if not varied:
        yield {}, table
        return
    for key, part in table.groupby(varied, dropna=False, sort=False):
        yield dict(zip(varied, key, strict=True)), part


def _same(table: pd.DataFrame, conditions: Mapping[str, Any]) -> pd.DataFrame:
    for name, value in conditions.items():
        if name in table:
            table = table[table[name].isna() if pd.isna(value) else table[name] == value]
    return table


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    """Regimes from the scarcest on; controls before what they control."""
    keys = pd.DataFrame(index=table.index)
    if "regime" in table:
        keys["regime"] = table["regime"].map({regime: rank for rank, regime in enumerate(by_regime(table["regime"]))})
    if "arm" in table:
        of_arm = {arm: next((rank for rank, name in enumerate(_CONTROLS) if str(arm).startswith(name)), len(_CONTROLS))
                  for arm in table["arm"].unique()}  # fmt: skip
        keys["rank"], keys["arm"] = table["arm"].map(of_arm), table["arm"]
    return (
        table.loc[keys.sort_values([str(name) for name in keys], kind="stable").index] if len(keys.columns) else table
    )


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """A table as one would print it.

    Args:
        table: Tidy.

    Returns:
        Text in all cells, numbers to four digits; columns without anything are left out.
    """
    kept = table.loc[:, [name for name in table if table[name].notna().any() and (table[name].astype(str) != "").any()]]
    return pd.DataFrame({str(name): [_number(str(name), value) for value in kept[name]] for name in kept})


def _number(name: str, value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if not isinstance(value, float):
        return str(value)
    if name == "p" or name.endswith("_p") or name.startswith("p_"):
        return "<0.001" if value < 0.001 else f"{value:.3f}"
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e9 else f"{value:.4g}"


def _word(value: object) -> object:
    return f"{value:g}" if isinstance(value, float) else value


def _latex(text: object) -> str:
    return re.sub(r"([&%$#_{}])", r"\\\1", str(text)).replace("²", "$^2$").replace("ρ", "$\\rho$")


def _embedded(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
