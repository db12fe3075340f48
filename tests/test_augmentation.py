"""Training sets and their controls: mixture laws, matched twins, leakage, fidelity."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patentlab.augmentation import TrainingSet, label_table, make_training_set, measure_fidelity, step_matched
from patentlab.config import ExperimentConfig
from patentlab.console.command_line import compose
from patentlab.corpus import Corpus, Document, derive_seed
from patentlab.data.regimes import keep_part
from patentlab.data.sources import read_corpus
from patentlab.data.splits import Split, split_corpus
from patentlab.mixing.plan import Plan
from patentlab.protocols import Silent
from tests.synthesis.scripted_server import serving

SMALL = ["data.size=200", "data.split.validation=30", "data.split.test=40", "model=tfidf_linear", "tracking=none"]


@pytest.fixture(scope="module")
def url() -> object:
    with serving() as server:
        yield server.url


@pytest.fixture(scope="module")
def data() -> tuple[Corpus, Split]:
    config = compose(*SMALL)
    corpus = read_corpus(config.data)
    return corpus, split_corpus(corpus, config.data.split, derive_seed(0, "split"))


def settings_for(url: str, *more: str) -> ExperimentConfig:
    generator = ["generator=openai", "generator.path=scripted", f"generator.base_url={url}", "generator.batch_size=16"]
    return compose(*SMALL, *generator, *more)


_CONFIGS: dict[str, ExperimentConfig] = {}


def training_set(
    data: tuple[Corpus, Split], url: str, strategy: str, divisor: int, share: float, seed: int
) -> TrainingSet:
    corpus, split = data
    base = _CONFIGS.setdefault(strategy, settings_for(url, f"strategy={strategy}", "mix=0.5"))
    config = replace(base, seed=seed, mix=replace(base.mix, real_share=share))
    real = keep_part(split.pool, corpus.labels, divisor, derive_seed(seed, "regime"))
    return make_training_set(config, real, split, corpus.labels, Silent())


STRATEGIES = ["label_conditioned", "paraphrase", "duplicate", "oversample", "none", "step_matched"]


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(STRATEGIES), st.sampled_from([4, 10]), st.sampled_from([0.2, 0.3, 0.5]), st.integers(0, 1))
def test_the_laws_of_mixtures(
    data: tuple[Corpus, Split], url: str, strategy: str, divisor: int, share: float, seed: int
):
    corpus, split = data
    made = training_set(data, url, strategy, divisor, share, seed)
    real = keep_part(split.pool, corpus.labels, divisor, derive_seed(seed, "regime"))
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


def test_the_twins_of_an_augmented_run_have_its_real_documents(data: tuple[Corpus, Split], url: str):
    sets = [training_set(data, url, strategy, 4, 0.3, 0) for strategy in STRATEGIES]
    real = [{d.id for d in made.documents if d.origin == "real"} for made in sets]
    assert all(ids == real[0] for ids in real)
    assert len({len(made.documents) for made in sets[:4]}) == 1  # duplicates match it to the document


def test_steps_are_matched_exactly(url: str):
    config = settings_for(
        url, "strategy=step_matched", "mix=0.2", "model=minilm", "head=embedding", "adapter=full", "trainer=finetune"
    )
    plan = Plan(10, 40)
    matched = step_matched(config, plan, lambda documents: documents * 3)
    assert matched.trainer.max_steps == 150
    assert (matched.trainer.epochs, matched.trainer.patience) == (None, None)
    other = replace(config, strategy=replace(config.strategy, name="none"))
    assert step_matched(other, plan, lambda documents: documents * 3) == other


def test_filtered_documents_agree_with_a_classifier_on_real_ones(data: tuple[Corpus, Split]):
    corpus, split = data
    real = keep_part(split.pool, corpus.labels, 2, 0)

    with serving() as server:
        many = "strategy.max_attempts=100"
        plain = settings_for(server.url, "mix=0.9", many)
        filtered = settings_for(
            server.url, "mix=filtered", "mix.real_share=0.9", "strategy.max_attempts=100", "mix.agreement=1"
        )
        whole = make_training_set(plain, real, split, corpus.labels, Silent())
        kept = make_training_set(filtered, real, split, corpus.labels, Silent())
    assert len(kept.added) == len(whole.added)
    assert kept.synthetic is not None and whole.synthetic is not None
    assert kept.synthetic.report["rejected"]["disagrees"] > 0
    assert kept.synthetic.report["key"] == whole.synthetic.report["key"]  # the same answers


def test_budgets_shrink_and_achieved_counts_are_told(data: tuple[Corpus, Split], url: str):
    corpus, split = data
    real = keep_part(split.pool, corpus.labels, 10, 0)  # 13 documents
    config = settings_for(url, "mix=0.2", "mix.budget=250", "mix.on_shortage=shrink")
    made = make_training_set(config, real, split, corpus.labels, Silent())
    assert (made.plan.real, made.plan.added) == (len(real), len(made.added)) == (13, 52)


def test_fidelity_is_measured_against_the_same_sample_at_equal_sizes(data: tuple[Corpus, Split]):
    corpus, split = data
    calls: list[int] = []

    def embed(texts: object) -> np.ndarray:
        listed = list(texts)  # type: ignore[call-overload]
        calls.append(len(listed))
        vocabulary = ["sensor", "wheel", "user", "device", "method", "signal", "the", "is"]
        return np.array([[text.lower().split().count(word) for word in vocabulary] for text in listed], dtype=float)

    pool, labels = split.pool, corpus.labels
    near = measure_fidelity(pool[:40], pool, labels, 0, embed)
    far = measure_fidelity([replace(d, text="sensor wheel signal " * 9) for d in pool[:40]], pool, labels, 0, embed)
    assert calls == [len(pool), 40] * 2
    assert near["bandwidth"] == far["bandwidth"]
    assert far["mmd2"] > near["mmd2"]
    assert far["mmd2_p"] <= 0.005 < near["mmd2_p"]
    assert near["label_consistency"] > far["label_consistency"]
    assert measure_fidelity(pool[:1], pool, labels, 0, embed) == {}


def test_label_counts_and_names_of_both_parts():
    corpus = read_corpus(compose(*SMALL).data)
    name = corpus.labels.names[0]
    title = corpus.labels.titles[name]
    documents = [Document("1", f"a text about a {title}", (name,)), Document("2", "nothing", (name,), "paraphrase")]
    row = label_table(documents, corpus.labels).set_index("label").loc[name]
    assert (row["real"], row["added"], row["real_named"], row["added_named"]) == (1, 1, 1.0, 0.0)


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
    corpus = read_corpus(config.data)
    split = split_corpus(corpus, config.data.split, derive_seed(0, "split"))
    saved = pd.read_parquet(tmp_path / "predictions.parquet").query("set == 'test'")["scores"].tolist()
    scores = load_classifier(tmp_path / "model", Silent()).predict([d.text for d in split.test], Silent())
    assert np.allclose(np.stack(saved), scores, atol=1e-5)
    expected = 2 if ordering == "ensemble" else 1
    single = record.parameters["total"] / expected
    assert single == int(single)
