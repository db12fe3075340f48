"""What strategies say of themselves; and one from outside of the package, from its YAML to the tables of gains."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from omegaconf import MISSING

from patentlab.analysis.arms import arms, gains, mean_gains
from patentlab.analysis.contrasts import CONTRASTS, find_twins
from patentlab.analysis.matrix import read_matrix
from patentlab.config import RequestError, StrategyConfig
from patentlab.config.registry import STRATEGIES
from patentlab.console.command_line import compose
from patentlab.data.documents import read_documents
from patentlab.mixing.training_set import make_training_set
from patentlab.protocols import Silent
from patentlab.synthesis.strategies import Added, Context, Strategy, find_strategy
from tests.synthesis.scripted_server import document

SMALL = ["data.size=200", "data.split.validation=30", "data.split.test=40", "model=tfidf_linear", "tracking=none"]


@dataclass
class ShoutConfig(StrategyConfig):
    """Settings of ``strategy=shout``."""

    marks: int = MISSING


class Shout(Strategy):
    """Real training documents in capital letters."""

    def add(self, context: Context, count: int) -> Added:
        assert isinstance(context.config.strategy, ShoutConfig)
        end = "!" * context.config.strategy.marks
        sources = [context.chosen[number % len(context.chosen)] for number in range(count)]
        documents = tuple(
            replace(source, id=f"shout-{n}", text=source.text.upper() + end, source_id=source.id)
            for n, source in enumerate(sources)
        )
        rows = [{"id": d.id, "text": d.text, "source_id": d.source_id} for d in documents]
        return Added(documents, {"requested": count, "accepted": count}, rows)


@pytest.fixture
def shout(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(STRATEGIES, "_known", dict(STRATEGIES.items()))
    monkeypatch.setattr(STRATEGIES, "_settings", dict(STRATEGIES._settings))
    STRATEGIES.add("shout", settings=ShoutConfig)(Shout)
    yield


def test_strategies_say_what_they_are():
    said = {name: (s.adds, s.generates, s.copies) for name, s in STRATEGIES.items()}
    expected = {
        "none": (False, False, False),
        "step_matched": (False, False, False),
        "duplicate": (True, False, True),
        "oversample": (True, False, True),
        "label_conditioned": (True, True, False),
        "paraphrase": (True, True, False),
        "eda": (True, False, False),
        "recombine": (True, False, False),
        "corpus": (True, False, False),
    }
    assert {name: said[name] for name in expected} == expected  # a new one says so in a test of its own
    with pytest.raises(RequestError, match=r"strategy.name=duplicat \(did you mean duplicate\?\): allowed are"):
        find_strategy("duplicat")


def test_to_look_a_strategy_up_imports_nothing_heavy():
    script = (
        "import sys; from patentlab.config.registry import STRATEGIES; assert 'eda' in STRATEGIES; print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "pandas", "scipy", "sklearn", "pyarrow", "openai"} & set(loaded)


def test_an_added_document_counts_as_added_and_has_an_id_of_its_own(monkeypatch: pytest.MonkeyPatch):
    class Careless(Strategy):
        def add(self, context: Context, count: int) -> Added:
            return Added(tuple(context.chosen[:count]))

    monkeypatch.setattr(STRATEGIES, "_known", {**dict(STRATEGIES.items()), "careless": Careless})
    config = compose(*SMALL, "regime=1:4", "mix=0.8")
    config = replace(config, strategy=replace(config.strategy, name="careless"))
    with pytest.raises(ValueError, match="strategy=careless: added documents need ids of their own"):
        make_training_set(config, read_documents(config), Silent())


@pytest.mark.usefixtures("shout")
def test_a_strategy_from_elsewhere_and_its_controls_stand_in_the_tables_of_gains(
    tmp_path: Path, run_in_process: Callable[..., Any]
):
    (tmp_path / "conf" / "strategy").mkdir(parents=True)
    (tmp_path / "conf" / "strategy" / "shout.yaml").write_text("name: shout\nmarks: 3   # of exclamation\n")
    corpus = tmp_path / "made.jsonl"
    labels = read_documents(compose(*SMALL)).corpus.labels.names
    rows = [{"text": document(n).split("Abstract: ")[1], "labels": [labels[n % len(labels)]]} for n in range(120)]
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows))
    added = ["shout", "eda", "recombine", "corpus"]
    done = run_in_process(
        "-m", "name=gains", *SMALL, "regime=1:4", "mix=0.4", f"strategy.path={corpus}", "strategy.marks=2",
        f"strategy={','.join([*added, 'none', 'duplicate'])}", f"hydra.searchpath=[file://{tmp_path}/conf]",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    matrix = read_matrix(tmp_path / "multirun" / "gains")
    assert set(matrix["choices.strategy"]) == {*added, "none", "duplicate"}
    assert (matrix["status"] == "finished").all()
    for _, run in matrix[matrix["choices.strategy"].isin(added)].iterrows():
        folder = tmp_path / "multirun" / "gains" / run["run"]
        result = json.loads((folder / "result.json").read_text())
        count = result["counts"]["synthetic"]
        assert count == 48 and result["counts"]["real"] == 32
        assert (result["synthesis"]["requested"], result["synthesis"]["accepted"]) == (count, count)
        assert len(pd.read_parquet(folder / "synthetic.parquet")) == count
        assert pd.read_csv(folder / "labels_in_training.csv")["added"].sum() >= count
        assert {"mmd2", "mmd2_p", "label_consistency"} <= set(result["fidelity"])
        assert result["choices"]["generator"] is None
        assert ("corpus" in result["fingerprints"]) == (run["choices.strategy"] == "corpus")
    shouted = matrix[matrix["choices.strategy"] == "shout"]
    assert set(shouted["settings.strategy.marks"]) == {2}
    for contrast in CONTRASTS[:2]:
        pairs = find_twins(matrix, contrast).groupby("choices.strategy")["twin"].count()
        assert pairs.to_dict() == dict.fromkeys(added, 1)
    table = mean_gains(gains(matrix, arms(matrix), CONTRASTS[:2]))
    assert {arm.strategy for arm in table["arm"]} == set(added)
    assert (table["n"] == 1).all()
