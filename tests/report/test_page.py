"""The page of a report shows names as they are."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from patentlab.report.page import write_report
from patentlab.report.pictures import Picture


def test_a_label_that_looks_like_html_is_text(tmp_path: Path):
    label = "<b>G06F</b> & 'more' \"still\""
    table = pd.DataFrame({"label": [label], "f1": [0.5]})
    picture = Picture("per_label", Figure(), f"F1 of each label: data {label}")
    page = write_report(label, {"per_label": table}, [picture], [f"{label} is rare."], tmp_path).read_text()
    assert "<b>" not in page
    assert page.count("&lt;b&gt;G06F&lt;/b&gt; &amp; ") == 6  # title and heading, sentence, alt and caption, table
    (image,) = [line for line in page.splitlines() if "<img" in line]
    assert image.count('"') == 2 * 3  # the name of no figure ends an attribute


def test_neither_torch_nor_mlflow_is_loaded():
    code = (
        "import sys, pkgutil, importlib\n"
        "for room in ('statistics', 'analysis', 'figures', 'report'):\n"
        "    package = importlib.import_module(f'patentlab.{room}')\n"
        "    for module in pkgutil.iter_modules(package.__path__):\n"
        "        importlib.import_module(f'{package.__name__}.{module.name}')\n"
        "from patentlab.analysis.strategies import properties\n"
        "properties('none')\n"  # looks up what strategies there are
        "print(*{'torch', 'transformers', 'peft', 'accelerate', 'mlflow'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == ""
