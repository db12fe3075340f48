"""Patents that are alike by TF-IDF cosine, with too few word 3-grams in common to be near duplicates: do they matter?

python -m benchmarks.close_documents DATA [SEEDS]

DATA is the folder with ``patentsview``. The whole pool (1:1) is learnt from as it is, without the documents whose
cosine with a test document is at least 0.7, and without as many others: means of test metrics over seeds, on splits
that do not keep such documents together (``data.split.cosine=null``).
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from patentlab.classifiers.factory import build_classifier
from patentlab.config import ExperimentConfig
from patentlab.console.command_line import compose
from patentlab.corpus import Document
from patentlab.data.documents import Documents, read_documents
from patentlab.protocols import Observer, Silent
from patentlab.tasks import build_task

COSINES = (0.7, 0.8)
METRICS = ("f1_micro", "f1_macro", "map_macro")
CLASSIFIERS = {"TF-IDF": ["model=tfidf_linear"], "MiniLM frozen": ["model=minilm", "adapter=frozen"]}


def closest(test: list[str], pool: list[str]) -> NDArray[np.float64]:
    """The largest cosine of each pool document with a test document, and of each test document with a pool one."""
    vectors = TfidfVectorizer(sublinear_tf=True, stop_words="english").fit_transform([*test, *pool])
    cosine = (vectors[len(test) :] @ vectors[: len(test)].T).toarray()
    return np.asarray(cosine)


def main() -> None:
    """Print tables in Markdown."""
    seeds = range(int(sys.argv[2]) if len(sys.argv) > 2 else 5)
    reached: dict[tuple[str, str], list[list[float]]] = {}
    for seed in seeds:
        line = ["data=patentsview", f"data.path={sys.argv[1]}/patentsview", "tracking=none", f"seed={seed}"]
        held = read_documents(compose("model=tfidf_linear", *line)).split
        left = closest([one.text for one in held.test], [one.text for one in held.pool]).max(axis=0)
        told = ", ".join(f"at {at}: {int((left >= at).sum())} of {len(held.test)}" for at in COSINES)
        print(f"seed {seed}, with data.split.cosine=0.7, test patents with a close one in the pool: {told}", flush=True)
        plain = [*line, "data.split.cosine=null"]
        documents = read_documents(compose("model=tfidf_linear", *plain))
        pool, split = list(documents.split.pool), documents.split
        cosine = closest([one.text for one in split.test], [one.text for one in pool])
        counts = ", ".join(
            f"at {at}: {int((cosine.max(axis=0) >= at).sum())} of {len(split.test)} test patents have one among the "
            f"{len(pool)} of the pool, {int((cosine.max(axis=1) >= at).sum())} such"
            for at in COSINES
        )
        print(f"seed {seed}: {counts}", flush=True)
        close = cosine.max(axis=1) >= COSINES[0]
        others = np.flatnonzero(~close)
        dropped = np.random.default_rng(seed).choice(others, int(close.sum()), replace=False)
        places = np.arange(len(pool))
        parts = {"all": places, "without close ones": places[~close],
                 "without as many others": np.setdiff1d(places, dropped)}  # fmt: skip
        for name, chosen in parts.items():
            for classifier, line in CLASSIFIERS.items():
                config = compose(*line, *plain)
                found = _scores(config, [pool[place] for place in chosen], documents, seed)
                reached.setdefault((classifier, name), []).append(found)
    print("\n| classifier | learnt from | micro-F1 | macro-F1 | mAP | micro-F1 by seed |\n|---|---|---|---|---|---|")
    for (classifier, name), values in reached.items():
        means = " | ".join(f"{value:.4f}" for value in np.mean(values, axis=0))
        print(f"| {classifier} | {name} | {means} | {', '.join(f'{value[0]:.3f}' for value in values)} |")


def _scores(config: ExperimentConfig, learnt: list[Document], documents: Documents, seed: int) -> list[float]:
    task = build_task(config, documents.corpus.labels)
    train, validation, test = (task.encode(held) for held in (learnt, documents.split.validation, documents.split.test))
    classifier = build_classifier(config, task, seed, Silent())
    classifier.fit(train, validation, Observer(task.measure, Silent()), seed)
    decision = task.choose(validation.targets, classifier.predict(validation.texts, Silent()))
    metrics = task.evaluate(test.targets, classifier.predict(test.texts, Silent()), decision)
    return [metrics[name] for name in METRICS]


if __name__ == "__main__":
    main()
