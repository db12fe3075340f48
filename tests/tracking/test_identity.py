"""The run key: what is another run, and what is not."""

import pytest

from patentlab.console.command_line import compose
from patentlab.synthesis.generators.transformers import TransformersGenerator
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


def test_runs_that_learned_from_what_a_generator_would_write_otherwise_now_are_other_runs(
    monkeypatch: pytest.MonkeyPatch,
):
    server = ("generator=openai", "generator.path=m", "generator.base_url=http://localhost:1/v1")
    requests = {
        "own": ("mix=0.5",),
        "server": ("mix=0.5", *server),
        "real": (),
        "copies": ("mix=0.5", "strategy=duplicate"),
    }

    def keys(version: int) -> dict[str, str]:
        monkeypatch.setattr(TransformersGenerator, "version", version)
        return {name: run_key(compose(*line), {}) for name, line in requests.items()}

    before, after = keys(1), keys(2)
    assert {name for name in requests if before[name] != after[name]} == {"own"}
    assert run_key(compose("mix=0.5"), {}, earlier=True) == before["own"]
