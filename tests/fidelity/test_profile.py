"""Fidelity, labels and naming of a corpus."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from patentlab.classifiers.label_consistency import Judge
from patentlab.console.command_line import compose
from patentlab.corpus import Document, LabelSpace
from patentlab.data.documents import read_documents
from patentlab.fidelity.profile import label_table, measure_fidelity

SMALL = ["data.size=200", "data.split.validation=30", "data.split.test=40", "model=tfidf_linear", "tracking=none"]


def test_fidelity_is_measured_against_the_same_sample_at_equal_sizes():
    calls: list[int] = []

    def embed(texts: object) -> np.ndarray:
        listed = list(texts)  # type: ignore[call-overload]
        calls.append(len(listed))
        vocabulary = ["sensor", "wheel", "user", "device", "method", "signal", "the", "is"]
        return np.array([[text.lower().split().count(word) for word in vocabulary] for text in listed], dtype=float)

    documents = read_documents(compose(*SMALL))
    pool, labels = documents.split.pool, documents.corpus.labels
    near = measure_fidelity(pool[:40], pool, pool[:40], labels, 0, embed, Judge)
    far = measure_fidelity(
        [replace(d, text="sensor wheel signal " * 9) for d in pool[:40]], pool, pool[:40], labels, 0, embed, Judge
    )
    assert calls == [len(pool), 40] * 2
    assert near["bandwidth"] == far["bandwidth"]
    assert far["mmd2"] > near["mmd2"]
    assert (near["compared"], near["reference"]) == (40, len(pool))  # the whole reference, however few were added
    assert near["mmd2_low"] < near["mmd2"] < near["mmd2_high"] < far["mmd2_low"]
    assert all(far[f"mmd2_{at}"] > near[f"mmd2_{at}"] for at in ("half", "double"))
    assert far["mmd2_p"] <= 0.005 < near["mmd2_p"]
    assert near["label_consistency"] > far["label_consistency"]
    assert measure_fidelity(pool[:1], pool, (), labels, 0, embed, Judge) == {}


def test_who_judges_labels_has_not_seen_what_documents_may_be_made_of():
    documents = read_documents(compose(*SMALL))
    pool, labels = documents.split.pool, documents.corpus.labels
    learned: list[set[str]] = []

    def judging(held: Sequence[Document], space: LabelSpace, seed: int) -> Judge:
        learned.append({document.id for document in held})
        return Judge(held, space, seed)

    def embed(texts: Sequence[str]) -> np.ndarray:
        return np.random.default_rng(len(texts)).normal(size=(len(texts), 2))

    def measured(regime: Sequence[Document], origin: str) -> dict[str, float]:
        added = [replace(document, id=f"{document.id}#", origin=origin) for document in pool[:30]]
        return measure_fidelity(added, pool, regime, labels, 0, embed, judging)

    inside = measured(pool[:40], "paraphrase")
    outside = measured(pool[90:], "paraphrase")
    assert learned == [{d.id for d in pool[40:]}, {d.id for d in pool[:90]}]
    assert (inside["judge_documents"], outside["judge_documents"]) == (len(pool) - 40, 90)
    # copies of what a judge has learned from are judged better than they deserve
    assert outside["label_consistency"] > inside["label_consistency"] + 0.1
    # where nothing is left to learn from nobody judges; nor are copies judged
    assert "label_consistency" not in measured(pool, "paraphrase")
    assert "label_consistency" not in measured(pool[:40], "duplicate")
    assert len(learned) == 2


def test_label_counts_and_names_of_both_parts():
    labels = read_documents(compose(*SMALL)).corpus.labels
    name = labels.names[0]
    title = labels.titles[name]
    documents = [Document("1", f"a text about a {title}", (name,)), Document("2", "nothing", (name,), "paraphrase")]
    row = label_table(documents, labels).set_index("label").loc[name]
    assert (row["real"], row["added"], row["real_named"], row["added_named"]) == (1, 1, 1.0, 0.0)
