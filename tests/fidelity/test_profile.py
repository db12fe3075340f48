"""Fidelity, labels and naming of a corpus."""

from dataclasses import replace

import numpy as np

from patentlab.classifiers.label_consistency import Judge
from patentlab.console.command_line import compose
from patentlab.corpus import Document
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
    near = measure_fidelity(pool[:40], pool, labels, 0, embed, Judge)
    far = measure_fidelity(
        [replace(d, text="sensor wheel signal " * 9) for d in pool[:40]], pool, labels, 0, embed, Judge
    )
    assert calls == [len(pool), 40] * 2
    assert near["bandwidth"] == far["bandwidth"]
    assert far["mmd2"] > near["mmd2"]
    assert far["mmd2_p"] <= 0.005 < near["mmd2_p"]
    assert near["label_consistency"] > far["label_consistency"]
    assert measure_fidelity(pool[:1], pool, labels, 0, embed, Judge) == {}


def test_label_counts_and_names_of_both_parts():
    labels = read_documents(compose(*SMALL)).corpus.labels
    name = labels.names[0]
    title = labels.titles[name]
    documents = [Document("1", f"a text about a {title}", (name,)), Document("2", "nothing", (name,), "paraphrase")]
    row = label_table(documents, labels).set_index("label").loc[name]
    assert (row["real"], row["added"], row["real_named"], row["added_named"]) == (1, 1, 1.0, 0.0)
