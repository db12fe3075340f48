"""Training sets and their controls: mixture laws, matched twins, leakage."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patentlab.classifiers.label_consistency import Judge
from patentlab.config import ExperimentConfig, RequestError
from patentlab.console.command_line import compose
from patentlab.corpus import Document, LabelSpace, derive_seed, is_real
from patentlab.data.documents import Documents, read_documents
from patentlab.data.regimes import keep_part
from patentlab.mixing.plan import Plan
from patentlab.mixing.training_set import TrainingSet, choose, in_order, make_training_set, nested
from patentlab.protocols import Silent
from patentlab.synthesis.strategies import find_strategy
from patentlab.synthesis.strategies.resampling import duplicate
from tests.synthesis.scripted_server import serving

SMALL = ["data.size=200", "data.split.validation=30", "data.split.test=40", "model=tfidf_linear", "tracking=none"]


@pytest.fixture(scope="module")
def url() -> object:
    with serving() as server:
        yield server.url


@pytest.fixture(scope="module")
def data() -> Documents:
    return read_documents(compose(*SMALL))


def settings_for(url: str, *more: str) -> ExperimentConfig:
    generator = ["generator=openai", "generator.path=scripted", f"generator.base_url={url}", "generator.batch_size=16"]
    return compose(*SMALL, *generator, *more)


_CONFIGS: dict[str, ExperimentConfig] = {}


def training_set(data: Documents, url: str, strategy: str, divisor: int, share: float, seed: int) -> TrainingSet:
    base = _CONFIGS.setdefault(strategy, settings_for(url, f"strategy={strategy}", "mix=0.5"))
    config = replace(base, seed=seed, mix=replace(base.mix, real_share=share))
    return make_training_set(config, cut(data, divisor, derive_seed(seed, "regime")), Silent(), Judge)


def cut(data: Documents, divisor: int, seed: int = 0) -> Documents:
    return replace(data, real=keep_part(data.split.pool, data.corpus.labels, divisor, seed))


STRATEGIES = ["label_conditioned", "paraphrase", "duplicate", "oversample", "none", "step_matched"]


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([*STRATEGIES, "eda", "recombine"]),
    st.sampled_from([4, 10]),
    st.sampled_from([0.2, 0.3, 0.5]),
    st.integers(0, 1),
)
def test_the_laws_of_mixtures(data: Documents, url: str, strategy: str, divisor: int, share: float, seed: int):
    corpus, split = data.corpus, data.split
    made = training_set(data, url, strategy, divisor, share, seed)
    real = cut(data, divisor, derive_seed(seed, "regime")).real
    held_out = {d.text for d in (*split.validation, *split.test)}
    own = [d for d in made.documents if d.origin == "real"]
    # counts
    assert {d.id for d in own} == {d.id for d in real}
    wanted = 0 if strategy in ("none", "step_matched") else round(len(real) * (1 - share) / share)
    assert len(made.added) == wanted
    assert made.plan == Plan(len(real), round(len(real) * (1 - share) / share))
    assert made.achieved_share == pytest.approx(len(real) / (len(real) + wanted))
    # no leakage, nothing twice
    assert not held_out & {d.text for d in made.documents}
    assert len({d.id for d in made.documents}) == len(made.documents)
    assert {label for d in made.documents for label in d.labels} <= set(corpus.labels.names)
    # determinism and order
    again = training_set(data, url, strategy, divisor, share, seed)
    assert again.documents == made.documents
    if wanted > 10:
        assert [d.origin for d in made.documents] != sorted(d.origin for d in made.documents)
    # nestedness: a larger share of real documents needs fewer added ones, and they are among those of the smaller
    smaller = training_set(data, url, strategy, divisor, 0.6, seed)
    assert {d.text for d in smaller.added} <= {d.text for d in made.added}


def test_documents_of_a_budget_added_ones_and_their_order_are_drawn_apart(data: Documents):
    def drawn(*seeds: str) -> tuple[set[str], list[tuple[str, ...]], list[int]]:
        line = ["model=minilm", "strategy=recombine", "mix=0.5", "mix.budget=40"]
        config = compose(*SMALL, *line, "seed=2", *seeds)
        made = make_training_set(config, data, Silent())
        first = sorted(made.documents, key=lambda document: (is_real(document), document.id))
        places = {document.id: place for place, document in enumerate(first)}
        added = sorted(document.text.split()[0:] for document in made.added)
        order = [places[document.id] for document in made.documents]
        return {document.id for document in made.real}, [tuple(words) for words in added], order

    real, added, order = drawn()
    assert drawn(*(f"seeds.{name}=2" for name in ("split", "regime", "generation", "weights", "batches"))) == (
        real, added, order
    )  # fmt: skip
    of_regime, of_generation, of_batches = (drawn(f"seeds.{name}=5") for name in ("regime", "generation", "batches"))
    assert of_regime[0] != real
    assert of_generation[0] == real and of_generation[1] != added and of_generation[2] == order
    assert of_batches[:2] == (real, added) and of_batches[2] != order
    assert drawn("seeds.weights=5") == (real, added, order)


def test_the_twins_of_an_augmented_run_have_its_real_documents(data: Documents, url: str):
    sets = [training_set(data, url, strategy, 4, 0.3, 0) for strategy in STRATEGIES]
    real = [{d.id for d in made.documents if d.origin == "real"} for made in sets]
    assert all(ids == real[0] for ids in real)
    assert len({len(made.documents) for made in sets[:4]}) == 1  # duplicates match it to the document


def test_steps_are_matched_exactly(url: str):
    config = settings_for(
        url, "strategy=step_matched", "mix=0.2", "model=minilm", "head=embedding", "adapter=full", "trainer=finetune"
    )
    plan = Plan(10, 40)
    matched = find_strategy("step_matched").training(config, plan.total, lambda documents: documents * 3)
    assert matched.trainer.max_steps == 150
    assert (matched.trainer.epochs, matched.trainer.patience) == (None, None)
    assert find_strategy("none").training(config, plan.total, lambda documents: documents * 3) == config
    fitted = compose(*SMALL, "strategy=step_matched", "mix=0.2")
    assert find_strategy("step_matched").training(fitted, plan.total, lambda documents: documents * 3) == fitted


def test_filtered_documents_agree_with_a_classifier_on_real_ones(data: Documents):
    documents = cut(data, 2)
    with serving() as server:
        many = "strategy.max_attempts=100"
        plain = settings_for(server.url, "mix=0.9", many)
        filtered = settings_for(
            server.url, "mix=filtered", "mix.real_share=0.9", "strategy.max_attempts=100", "mix.agreement=1"
        )
        whole = make_training_set(plain, documents, Silent(), Judge)
        kept = make_training_set(filtered, documents, Silent(), Judge)
    assert len(kept.added) == len(whole.added)
    assert kept.addition.report["rejected"]["disagrees"] > 0
    assert kept.addition.report["key"] == whole.addition.report["key"]  # the same answers


def test_budgets_shrink_and_achieved_counts_are_told(data: Documents, url: str):
    documents = cut(data, 10)  # 13 of them
    config = settings_for(url, "mix=0.2", "mix.budget=250", "mix.on_shortage=shrink")
    made = make_training_set(config, documents, Silent(), Judge)
    assert (made.plan.real, made.plan.added) == (len(documents.real), len(made.added)) == (13, 52)


LABELS = LabelSpace(("a", "b", "c"))
REAL = tuple(Document(str(number), f"text {number}", ("a",)) for number in range(40))


def mixed(real: Sequence[Document], plan: Plan, seed: int) -> tuple[Document, ...]:
    """Duplicates to match, step by step."""
    chosen, repeated = choose(real, plan, LABELS, seed)
    added = duplicate(sorted(chosen or real, key=lambda document: document.id), plan.added, 0)
    return in_order([*chosen, *repeated, *added], seed)


@given(st.integers(1, 60), st.integers(0, 60), st.integers(0, 3))
def test_a_mixture_has_the_counts_of_its_plan_and_is_the_same_for_a_seed(real: int, added: int, seed: int):
    documents = mixed(REAL, Plan(real, added), seed)
    assert sum(map(is_real, documents)) == real
    assert len(documents) == real + added
    assert len({document.id for document in documents}) == len(documents)
    assert documents == mixed(REAL, Plan(real, added), seed)
    known = {document.text for document in REAL}
    assert {document.text for document in documents} <= known


def test_added_documents_come_from_the_chosen_real_ones_alone():
    documents = mixed(REAL, Plan(5, 200), 0)
    chosen = {document.id for document in documents if document.origin == "real"}
    assert {document.source_id for document in documents if document.origin == "duplicate"} == chosen


def test_real_documents_are_nested_over_budgets_and_shares():
    smaller, larger = (mixed(REAL, Plan(count, 10), 0) for count in (5, 20))
    assert {d.id for d in smaller if d.origin == "real"} <= {d.id for d in larger if d.origin == "real"}


@given(st.integers(0, 20))
def test_the_real_documents_of_a_budget_are_stratified(seed: int):
    # a tenth of the documents hold b, a tenth c: a plain draw of twenty misses one of them for every fifth seed
    labels = ["b"] * 10 + ["c"] * 10 + ["a"] * 80
    real = [Document(str(number), f"text {number}", (label,)) for number, label in enumerate(labels)]
    drawn = [document.labels[0] for document in mixed(real, Plan(20, 0), seed)]
    assert all(1 <= drawn.count(rare) <= 3 for rare in "bc")


def test_every_real_document_is_used_before_one_is_repeated():
    documents = mixed(REAL, Plan(55, 0), 0)
    assert {document.id for document in documents if document.origin == "real"} == {d.id for d in REAL}
    assert sum(document.origin == "repeat" for document in documents) == 15


@pytest.mark.parametrize("ordering", ["curriculum", "ensemble", "filtered"])
def test_every_ordering_trains_a_network(ordering: str, url: str, tiny_model: Callable[[str], Path], tmp_path: Path):
    from patentlab.classifiers.factory import load_classifier
    from patentlab.experiment import run_experiment

    config = settings_for(
        url, "model=minilm", f"model.path={tiny_model('bert')}", "adapter=full", "head=embedding", "trainer=finetune",
        "trainer.max_length=64", "trainer.epochs=2", "trainer.patience=null", "regime=1:4", f"mix={ordering}",
        "mix.real_share=0.4", "trainer.save_model=always", "strategy.max_attempts=100",
    )  # fmt: skip
    record = run_experiment(config, tmp_path, Silent())
    assert record.status == "finished"
    assert record.choices["ordering"] == ordering
    assert record.counts["synthetic"] == round(record.counts["real"] * 0.6 / 0.4)
    assert {"ndcg_at_10_before", "ndcg_at_10_after"} <= set(record.retrieval) or ordering == "ensemble"
    table = pd.read_parquet(tmp_path / "synthetic.parquet")
    assert len(table) == record.counts["synthetic"]
    split = read_documents(config).split
    saved = pd.read_parquet(tmp_path / "predictions.parquet").query("set == 'test'")["scores"].tolist()
    scores = load_classifier(tmp_path / "model", Silent()).predict([d.text for d in split.test], Silent())
    assert np.allclose(np.stack(saved), scores, atol=1e-5)
    expected = 2 if ordering == "ensemble" else 1
    single = record.parameters["total"] / expected
    assert single == int(single)


BUDGET = ["regime=1:2", "mix.budget=40", "mix=0.3"]  # 12 of 64 real documents


def test_a_generator_is_shown_the_documents_that_sources_say(data: Documents, url: str):
    half = cut(data, 2)
    order = [d.id for d in nested(half.real, data.corpus.labels, 0)]
    for sources, shown, beyond in (
        ("mixture", 12, 0),
        ("12", 12, 0),
        ("30", 30, 18),
        ("regime", 64, 52),
        ("65", 64, 52),
    ):
        config = settings_for(url, *BUDGET, "strategy=paraphrase", f"strategy.sources={sources}")
        made = make_training_set(config, half, Silent(), Judge)
        assert {d.id for d in made.real} == set(order[:12])
        assert {d.source_id for d in made.added} <= set(order[:shown])
        assert bool({d.source_id for d in made.added} - set(order[:12])) == (beyond > 0)
        assert (made.addition.report["shown"], made.addition.report["shown_beyond_own"]) == (shown, beyond)


def test_one_corpus_of_the_first_documents_serves_all_shares_that_contain_them(data: Documents, url: str):
    half, corpora = cut(data, 2), []
    for share in (0.3, 0.5):
        config = settings_for(url, *BUDGET[:2], f"mix={share}", "strategy=paraphrase", "strategy.sources=12")
        made = make_training_set(config, half, Silent(), Judge)
        assert made.addition.report["shown_beyond_own"] == 0
        corpora.append(made.addition)
    assert corpora[0].report["key"] == corpora[1].report["key"]
    assert [d.text for d in corpora[0].documents][:20] == [d.text for d in corpora[1].documents]


def test_reveal_adds_what_a_generator_is_shown_beyond_the_runs_own(data: Documents):
    half = cut(data, 2)
    order = [d.id for d in nested(half.real, data.corpus.labels, 0)]
    texts = {d.id: (d.text, d.labels) for d in half.real}
    for sources, others in (("regime", order[12:40]), ("20", (order[12:20] * 4)[:28])):
        config = compose(*SMALL, *BUDGET, "strategy=reveal", f"strategy.sources={sources}")
        made = make_training_set(config, half, Silent(), Judge)
        assert [d.source_id for d in made.addition.documents] == others
        assert all((d.text, d.labels) == texts[str(d.source_id)] for d in made.addition.documents)
        assert {d.origin for d in made.added} == {"reveal"} and len(made.real) == 12
    for line in ([*BUDGET, "strategy.sources=mixture"], [*BUDGET, "strategy.sources=10"], ["mix=0.3"]):
        with pytest.raises(RequestError, match="shows a generator nothing beyond the run's own"):
            make_training_set(compose(*SMALL, "strategy=reveal", *line), half, Silent(), Judge)


def test_the_judge_of_a_filtered_mix_has_learned_from_what_the_generator_was_shown(data: Documents, url: str):
    learned = []

    def judging(documents: Sequence[Document], labels: LabelSpace, seed: int) -> Judge:
        learned.append(len(documents))
        return Judge(documents, labels, seed)

    for sources in ("mixture", "regime"):
        line = ["mix=filtered", "mix.real_share=0.3", "mix.agreement=0.1", *BUDGET[:2], f"strategy.sources={sources}"]
        config = settings_for(url, *line, "strategy=paraphrase")
        make_training_set(config, cut(data, 2), Silent(), judging)
    assert learned == [12, 64]
