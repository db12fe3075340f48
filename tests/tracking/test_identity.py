"""The run key: what is another run, and what is not."""

from patentlab.console.command_line import compose
from patentlab.tracking.identity import run_key


def test_without_a_budget_the_runs_own_documents_are_all_of_the_regime_and_its_key_the_same():
    line = ["model=constant", "mix=0.5", "strategy=paraphrase"]
    keys = {
        (budget, sources): run_key(compose(*line, f"mix.budget={budget}", f"strategy.sources={sources}"), {})
        for budget in ("null", 40)
        for sources in ("mixture", "regime", 12)
    }
    assert keys["null", "mixture"] == keys["null", "regime"]
    assert len(set(keys.values())) == 5
