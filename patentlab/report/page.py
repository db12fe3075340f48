"""The folder of a report: tables, figures, and the page that shows them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, PackageLoader

from patentlab.figures.saving import save
from patentlab.report.captions import TITLES
from patentlab.report.pictures import Picture, Tables
from patentlab.report.printing import bracketed, readable, write_table
from patentlab.storage import write_atomically

_TEMPLATE = "report.html.j2"


_HIDDEN = ("fidelity_lines",)  # drawn, and not worth reading
_TOP = ("leaderboard", "differences", "differences_head", "differences_adapter", "claims")  # before the figures


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
    # by the end of its name (.j2) jinja2 would take the page for text, and escape nothing
    pages = Environment(loader=PackageLoader("patentlab.report", "."), autoescape=True)
    read = {name: readable(bracketed(table) if name in _TOP else table)
            for name, table in shown.items() if name not in _HIDDEN}  # fmt: skip
    order = sorted(read, key=lambda name: _TOP.index(name) if name in _TOP else len(_TOP))
    page = pages.get_template(_TEMPLATE).render(
        title=title, said=said, images=images, version=version("patentlab"), top=_TOP,
        tables=[(name, TITLES.get(name, name), read[name].to_html(index=False, border=0, na_rep=""), len(read[name]))
                for name in order],
    )  # fmt: skip
    path = folder / "report.html"
    write_atomically(path, page)
    return path


def _embedded(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
