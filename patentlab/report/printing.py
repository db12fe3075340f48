"""Tables to be read: rounded, and as files in four formats."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pandas as pd

from patentlab.analysis.arms import Arm

_P = re.compile(r"(^|_)p(_holm|_bh|_exact.*|_mid)?$")


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV and Parquet with all digits, and as LaTeX and Markdown to be read.

    Args:
        table: Tidy.
        path: Without a suffix.
    """
    table.to_csv(path.with_name(f"{path.name}.csv"), index=False)
    plain = table.map(lambda value: str(value) if isinstance(value, list | dict | Arm) else value)
    mixed = [name for name in plain if len({type(value) for value in plain[name].dropna()}) > 1]
    plain.astype(dict.fromkeys(mixed, str)).to_parquet(path.with_name(f"{path.name}.parquet"), index=False)
    printed = readable(table)
    latex = printed.map(_latex).rename(columns=_latex).to_latex(index=False, na_rep="")
    path.with_name(f"{path.name}.tex").write_text(latex, encoding="utf-8")
    markdown = printed.to_markdown(index=False, disable_numparse=True, missingval="")
    path.with_name(f"{path.name}.md").write_text(str(markdown) + "\n", encoding="utf-8")


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """A table as one would print it.

    Args:
        table: Tidy.

    Returns:
        Text in all cells, numbers to four digits; columns without anything are left out.
    """
    kept = table.loc[:, [name for name in table if table[name].notna().any() and (table[name].astype(str) != "").any()]]
    return pd.DataFrame({str(name): [_number(str(name), value) for value in kept[name]] for name in kept})


def bracketed(table: pd.DataFrame) -> pd.DataFrame:
    """A table with each value and its interval in one cell, as ``0.612 [0.598, 0.626]``, to be read on a page.

    Args:
        table: Tidy; of columns ``NAME, NAME_low, NAME_high`` one is left. Student's t beside them (``NAME_t_…``) is
            in the files.
    """
    found = table.drop(columns=[name for name in table if re.search(r"_t_(low|high|p)$", str(name))])
    for name in [str(name) for name in found if f"{name}_low" in found]:
        low, high = found.pop(f"{name}_low"), found.pop(f"{name}_high")
        values = zip(found[name], low, high, strict=True)
        found[name] = ["" if pd.isna(value) else f"{value:.3f}" + ("" if pd.isna(a) else f" [{a:.3f}, {b:.3f}]")
                       for value, a, b in values]  # fmt: skip
    return found


def as_markdown(table: pd.DataFrame) -> str:
    """A table as Markdown, to be read in a terminal.

    Args:
        table: Tidy.
    """
    return str(readable(table).to_markdown(index=False, disable_numparse=True))


def _number(name: str, value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if not isinstance(value, float):
        return str(value)
    if _P.search(name):
        return "<0.001" if value < 0.001 else f"{value:.3f}"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e9 else f"{value:.4g}"


def _latex(text: object) -> str:
    return (
        re.sub(r"([&%$#_{}])", r"\\\1", str(text))
        .replace("∞", r"$\infty$")
        .replace("²", "$^2$")
        .replace("ρ", "$\\rho$")
    )
