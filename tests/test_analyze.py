"""``python -m patentlab.analyze`` from the outside, on matrices with a known truth and on records."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
from omegaconf import OmegaConf

from patentlab.analysis.matrix import read_matrix
from patentlab.analysis.quantities import Evidence
from patentlab.analysis.tables import tables
from patentlab.console.command_line import compose
from patentlab.tracking.record import Record
from tests.analysis.known_matrix import known_matrix
from tests.analysis.swept import four_models
from tests.analysis.test_worth import made
from tests.conftest import ROOT
from tests.in_process import start


def analyze(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return start("analyze", arguments, cwd, {})


def make(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kept") / "matrix.parquet"
    matrix = known_matrix(shares=(0.1, 0.2, 0.3, 0.4), best_share=0.25, generators=6)
    matrix["retrieval.ndcg_at_10_before"], matrix["retrieval.ndcg_at_10_after"] = 0.6, 0.55
    matrix.to_parquet(path)
    return path


@pytest.fixture(scope="module")
def report(kept: Path) -> Path:
    done = analyze(f"sweep={kept}", "claims=synthetic_data", "out=report", cwd=kept.parent)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == kept.parent / "report"
    assert "supported: In the scarcest regime" in done.stderr
    return kept.parent / "report"


def test_every_table_comes_in_four_formats_with_the_same_rows(report: Path):
    names = {path.stem for path in (report / "tables").iterdir()}
    assert {"scores_f1_micro", "gains_f1_macro", "fidelity_correlations", "regime_differences", "claims"} <= names
    for name in names:
        table = pd.read_parquet(report / "tables" / f"{name}.parquet")
        assert len(pd.read_csv(report / "tables" / f"{name}.csv")) == len(table) > 0
        markdown = (report / "tables" / f"{name}.md").read_text().splitlines()
        assert len(markdown) == len(table) + 2
        latex = (report / "tables" / f"{name}.tex").read_text()
        assert latex.count(r" \\") == len(table) + 1
        assert not re.search(r"(?<!\\)[_%#]", latex)


def test_figures_come_in_two_formats_and_stand_in_the_page(report: Path):
    names = {path.stem for path in (report / "figures").iterdir()}
    assert {name.partition("-")[0] for name in names} == {"arms", "fidelity", "leaderboard", "shares", "learning"}
    for name in names:
        assert (report / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (report / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    page = (report / "report.html").read_text()
    assert page.count('src="data:image/png;base64,') == len(names)
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)  # nothing that another place would have to have
    assert "Claims" in page and "supported" in page


def test_an_earlier_report_leaves_nothing_behind(report: Path, kept: Path):
    copy = kept.parent / "again"
    shutil.copytree(report, copy)
    matrix = pd.read_parquet(kept)
    matrix[matrix["choices.strategy"] == "none"].to_parquet(kept.parent / "few.parquet")
    done = analyze("sweep=few.parquet", "out=again", cwd=kept.parent)
    assert done.returncode == 0, done.stderr
    assert not list((copy / "figures").glob("fidelity*"))
    assert not (copy / "tables" / "claims.csv").exists()


def test_which_model_is_answered_on_the_terminal_on_top_of_the_page_and_in_tables(tmp_path: Path):
    matrix, folders, _ = four_models(tmp_path / "sweep")
    for row in matrix.to_dict("records"):
        choices = {str(name)[8:]: value for name, value in row.items() if str(name).startswith("choices.")}
        test = {str(name)[13:]: value for name, value in row.items() if str(name).startswith("metrics.test.")}
        counts = {"real": 440, "synthetic": 0}
        Record(row["key"], choices, "finished", metrics={"test": test}, counts=counts).write(folders[row["run"]])
    done = analyze("sweep=sweep", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = done.stderr.splitlines()
    assert said[-1] == "24 finished runs are analysed."
    assert said[0].startswith("At 1:100 (3 seeds) ") and said[1].startswith(
        "At 1:10 (3 seeds) minilm-full is best with "
    )
    assert "tfidf_linear (" in said[1]
    page = (tmp_path / "sweep" / "report" / "report.html").read_text()
    parts = (said[0], said[-1], "Which classifier is best", "paired</h2>", "Figures</h2>")
    places = [page.index(words.replace("<", "&lt;", 1) if words in said else words) for words in parts]
    assert places == sorted(places)
    tables = tmp_path / "sweep" / "report" / "tables"
    assert len(pd.read_csv(tables / "leaderboard.csv")) == 8 and len(pd.read_csv(tables / "differences.csv")) == 12
    assert {f"scores_{name}.md" for name in ("f1_micro", "f1_macro", "map_macro")} <= {
        one.name for one in tables.iterdir()
    }
    done = analyze("sweep=sweep", "between=regime", "metric=map_macro", cwd=tmp_path)
    assert "is best with mAP ." in done.stderr and "Between values of regime mAP differs in " in done.stderr
    differences = pd.read_csv(tables / "differences.csv")
    assert set(differences["classifier"]) == {"constant", "minilm-full", "smollm2_135m-lora", "tfidf_linear"}
    assert set(differences["first"]) | set(differences["second"]) == {"1:10", "1:100"}


def test_two_correlations_by_hand():
    done = analyze("fisher", "r=.95,-.73", "n=14,14")
    assert done.returncode == 0
    for number in ("z = +6.47", "[+1.262, +1.862] (Zou", "[+0.958, +0.998]", "[+0.846, +0.984]", "power 0.8: 1.070"):
        assert number in done.stdout
    other = analyze("fisher", "r=.4,.5", "n=100,100").stdout
    assert "z = -0.88" in other and "p = 0.38" in other  # stat-help.com's worksheet: -0.8751, 0.3815


def test_power_of_a_plan_and_of_a_sweep(kept: Path):
    def said(*arguments: str) -> str:
        done = analyze("power", *arguments)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    assert said("n=14,14").startswith("14 and 14 points show correlations that are 1.070 apart")
    assert "23 points each" in said("r=.6,-.2")
    assert "need" in said("sd=1", "difference=.5") and " 34 seeds" in said("sd=1", "difference=.5")  # Cohen's d = 0.5
    assert "3 seeds show a gain of 0.0490 at" in said("sd=.015", "n=3")
    # sd √(2 / χ²) of two degrees of freedom: 0.52 to 6.28 of it
    assert "3 seeds show a gain of 0.0255 to 0.3077 at" in said("sd=.015", "n=3", "sd_from=3")
    assert "needs 4 to 39 seeds" in said("sd=.015", "difference=.02", "sd_from=5")
    assert said(f"sweep={kept}").count("\n") == 4 * 2 * 4 * 6 + 2


def test_published_numbers_with_ours(kept: Path, tmp_path: Path):
    done = analyze("published", f"sweep={kept}", "out=tables", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "tables" / "published.csv")
    measured = table["sentence"].str.startswith("not measured")
    assert table.loc[measured, "ours"].isna().all() and table.loc[~measured, "ours"].notna().all()
    assert 5 < (~measured).sum() < len(table)


def test_worth_is_told_and_kept(tmp_path: Path):
    made(0.8).to_parquet(tmp_path / "matrix.parquet")
    done = analyze("worth", "sweep=matrix.parquet", "more=20", "price.document=0.5", "price.label=2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == tmp_path / "worth"
    assert "labelling 20 more than 37 documents brings micro-F1" in done.stderr
    assert "| 1:50" in done.stderr and "smollm2, label-conditioned" in done.stderr
    kept = pd.read_parquet(tmp_path / "worth" / "tables" / "worth.parquet")
    assert {"worth_low", "rate", "pays_above", "saved_high"} <= set(kept)
    page = (tmp_path / "worth" / "report.html").read_text()
    assert "What added documents are worth" in page


def test_failed_missing_and_duplicate_runs_are_listed(tmp_path: Path):
    matrix = known_matrix(generators=5, seeds=3)
    lost = matrix["run"].str.contains("duplicate") & (matrix["choices.seed"] == 1)
    failed = matrix[lost].copy()
    failed["status"], failed["error"], failed["metrics.test.f1_micro"] = "failed", "out of memory", None
    unfinished = matrix.iloc[[3]].copy()
    unfinished["run"], unfinished["status"] = "killed", "running"
    whole = pd.concat([matrix[~lost], failed, unfinished, matrix.iloc[[7]]], ignore_index=True)
    whole.loc[0, "metrics.test.f1_micro"] = None
    whole.to_csv(tmp_path / "matrix.csv", index=False)
    done = analyze("sweep=matrix.csv", "out=report", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    problems = pd.read_csv(tmp_path / "report" / "tables" / "problems.csv")
    assert problems["problem"].value_counts().to_dict() == {
        "failed": 2, "unfinished": 1, "duplicate": 1, "no number": 1,
    }  # fmt: skip
    without = pd.read_csv(tmp_path / "report" / "tables" / "without_twin.csv")
    assert len(without) == 2 * 5 and set(without["why"]) == {"no run with strategy=duplicate loss=bce"}


def test_records_are_reported_beside_them_without_predictions_too(tmp_path: Path):
    choices = {
        "data": "d", "model": "m", "head": "h", "adapter": "full", "generator": None, "adaptation": None, "mix": 1.0,
        "strategy": "none", "regime": "1:10", "ordering": "shuffled", "loss": "bce",
    }  # fmt: skip
    for seed in range(2):
        scores = {"f1_micro": 0.5 + seed / 10, "f1_macro": 0.3}
        record = Record(f"key{seed}", {**choices, "seed": seed}, "finished", metrics={"test": scores})
        record.write(make(tmp_path / "sweep" / str(seed)))
    done = analyze("sweep=sweep", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "sweep" / "report" / "tables" / "scores_f1_micro.csv")
    assert table[["arm", "mean", "n"]].to_numpy().tolist() == [["real only", 0.55, 2]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "sweep: must be given"),
        (("sweep=none",), "sweep=none: no such folder"),
        (("fishr", "r=1,2"), "fishr (did you mean fisher?): no such analysis"),
        (("fisher", "r=.9", "n=14,14"), "r=.9: must be 2 numbers"),
        (("fisher", "r=.9,.1", "n=3,14"), "needs at least 4 pairs, has 3"),
        (("fisher", "r=1,.1", "n=14,14"), "the correlation is exactly 1"),
        (("power",), "power: give n=14,14 or"),
        (("power", "sd=0", "n=3"), "the differences do not vary between seeds"),
        (("power", "n=14,14", "power=2"), "must be between 0 and 1"),
        (("sweep={kept}", "metric=f1"), "metric=f1"),
        (("sweep={kept}", "fidelity=mdm2"), "fidelity=mdm2 (did you mean mmd2?)"),
        (("sweep={kept}", "claims=synthetic"), "claims=synthetic (did you mean synthetic_data?)"),
        (("sweep={kept}", "between=haed"), "between=haed (did you mean head?): allowed are data, model, head"),
        (("worth", "sweep={kept}", "more=0"), "more=0: must be a whole number from 1"),
        (("worth", "sweep={kept}", "price.label=-1"), "price: must be above 0"),
        (("worth", "sweep={kept}", "price.label=two"), "price.label=two: must be a number"),
        (("worth",), "sweep: must be given"),
        (("sweep={kept}", "metrics=f1"), "metrics (did you mean metric?): no such setting"),
    ],
)
def test_a_wrong_request_is_one_line(arguments: tuple[str, ...], message: str, kept: Path):
    done = analyze(*(argument.format(kept=kept) for argument in arguments))
    assert done.returncode == 2, done.stderr
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_ten_thousand_records_are_read_matched_and_analysed_in_some_ten_seconds(tmp_path: Path):
    """Made from one real-sized record; measured in one process, without the start of Python.

    Machines differ, by a half and more from day to day, so time is told as a multiple of what making the records takes:
    0.8 s where all of it takes 11 s alone and 15 s beside other work.
    """
    config = OmegaConf.to_yaml(OmegaConf.structured(compose("model=minilm")))
    start = time.process_time()
    matrix = known_matrix(
        generators=10, seeds=20, shares=(0.1, 0.2, 0.3), regimes=("1:100", "1:10", "1:4"), rho=(0.9, -0.7, 0.0),
        models=("a", "b", "c", "d"),
    )  # fmt: skip
    rows = json.loads(json.dumps(matrix.to_dict("records")))
    unit = time.process_time() - start
    assert len(rows) > 10_000
    for number, row in enumerate(rows[:10_000]):
        folder = make(tmp_path / "sweep" / str(number))
        choices = {name: value for name, value in row.items() if str(name).startswith("choices.")}
        more = {f"metric_{n}": 0.1 for n in range(40)}
        record = {
            "schema": 1, "status": "finished", "key": row["key"], "error": None,
            "choices": {str(name).partition(".")[2]: value for name, value in choices.items()},
            "metrics": {"test": {"f1_micro": row["metrics.test.f1_micro"], "f1_macro": 0.2, **more}},
            "counts": {"synthetic": row["counts.synthetic"], "real": row["counts.real"]},
            "fidelity": {"mmd2": row["fidelity.mmd2"]}, "fingerprints": {"test": row["fingerprints.test"]},
        }  # fmt: skip
        (folder / "result.json").write_text(json.dumps(record))
        (folder / "config.yaml").write_text(config)
    start = time.process_time()
    read = read_matrix(tmp_path / "sweep")
    found = tables(Evidence(read))
    taken = time.process_time() - start
    assert len(read) == 10_000
    assert len(found["fidelity_correlations"]) > 100
    assert taken < 40 * unit  # 14 to 23 times was seen; what grows with the square takes far more
