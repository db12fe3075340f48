"""The notebooks, executed from clean sources: what they show, and facts that they must come to."""

import re
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from patentlab.analysis.claims import read_claims
from patentlab.config import config_folder
from tests.conftest import ROOT

NOTEBOOKS = ROOT / "notebooks"
NAMES = ("analysis_of_a_sweep", "published_numbers")


def read(name: str) -> Any:
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)  # type: ignore[no-untyped-call]


def execute(book: Any, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as state, pytest.MonkeyPatch.context() as patched:
        for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):  # not the user's own, with what runs at start and a history
            patched.setenv(name, state)
        patched.setenv("PYTHONPATH", str(ROOT))
        patched.setenv("MPLBACKEND", "Agg")
        # without folders to look in, python3 is the interpreter of this process, whatever is installed elsewhere
        kernel = AsyncKernelManager(kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
        client = NotebookClient(book, km=kernel, timeout=180, resources={"metadata": {"path": str(folder)}})
        client.execute(cleanup_kc=True)


@cache
def executed(name: str) -> Any:
    book = read(name)
    execute(book, NOTEBOOKS)
    return book


def outputs(book: Any, kind: str) -> list[str]:
    """All outputs of a MIME type; what was printed is text/plain too."""
    found = []
    for output in (output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs):
        if output.output_type == "stream":
            found += [output.text] if kind == "text/plain" and output.name == "stdout" else []
        else:
            found += [output.data[kind]] if kind in output.get("data", {}) else []
    return found


def tables(book: Any) -> list[str]:
    return [html for html in outputs(book, "text/html") if "<table" in html]


def rows(table: str) -> int:
    return table.partition("<tbody>")[2].count("<tr>")


def test_every_notebook_is_tested():
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_committed_notebooks_are_clean(name: str):
    book = read(name)
    nbformat.validate(book)
    assert book.metadata.kernelspec.name == "python3"
    assert set(book.metadata) <= {"kernelspec", "language_info"}
    for cell in book.cells:
        assert not cell.metadata
        if cell.cell_type == "code":
            assert cell.execution_count is None and not cell.outputs
        else:
            assert len(re.findall(r"^#+ ", cell.source, flags=re.MULTILINE)) == 1
    code = "".join(cell.source for cell in book.cells if cell.cell_type == "code")
    assert str(ROOT) not in code and "/home" not in code


@pytest.mark.parametrize(("name", "least_images", "least_tables"), [(NAMES[0], 4, 15), (NAMES[1], 1, 10)])
def test_notebooks_run_and_show_tables_and_figures(name: str, least_images: int, least_tables: int):
    book = executed(name)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert all(cell.execution_count == place for place, cell in enumerate(code, start=1))
    assert [output for cell in code for output in cell.outputs if output.output_type == "error"] == []
    warned = [output.text for cell in code for output in cell.outputs if output.get("name") == "stderr"]
    assert warned == []
    images = outputs(book, "image/png")
    assert len(images) >= least_images and min(map(len, images)) > 5_000
    shown = tables(book)
    assert len(shown) >= least_tables and min(map(rows, shown)) > 0


def test_the_sweep_has_a_verdict_for_each_claim_of_the_file():
    book = executed("analysis_of_a_sweep")
    family = read_claims(config_folder() / "claims" / "synthetic_data.yaml")
    listed = [table for table in tables(book) if all(claim.says in table for claim in family.claims)]
    assert [rows(table) for table in listed] == [len(family.claims)]
    assert (listed[0].count(">refuted<"), listed[0].count(">undecided<")) == (3, 4)
    said = "\n".join(outputs(book, "text/plain"))
    assert "108 runs" in said and "needs at least 4 pairs, has 1" in said
    assert "over generators: needs at least 6 generators, has 1" in said


def test_published_numbers_are_recomputed():
    said = "\n".join(outputs(executed("published_numbers"), "text/plain"))
    assert "n = 14: z = 6.47" in said
    assert "tanh of the interval on Δz: [0.96, 1.00]" in said
    assert "Zou's interval [1.262, 1.862]" in said
    assert "(96%)" in said  # of the printed gain, what duplicates give


def test_published_numbers_stand_beside_those_of_the_kept_matrix():
    alone, beside = tables(executed("published_numbers"))[-2:]
    assert alone.count(">not measured<") == rows(alone) > rows(beside) > 5
    assert beside.count(">3 seeds<") == 5


@pytest.mark.parametrize("name", NAMES)
def test_notebooks_find_the_project_from_its_root_too(name: str):
    book = read(name)
    finding = next(place for place, cell in enumerate(book.cells) if "root = " in cell.source)
    book.cells = book.cells[: finding + 1]
    book.cells[finding].source += "\nprint(root.resolve())"
    execute(book, ROOT)
    assert outputs(book, "text/plain") == [f"{ROOT}\n"]
