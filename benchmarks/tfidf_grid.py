"""The TF-IDF baseline against a plain grid: is it behind six pipelines of scikit-learn, chosen on validation documents?

python -m benchmarks.tfidf_grid DATA

DATA is a folder with ``patentsview`` and ``massive``. For each corpus and seed: test micro-F1 of ``model=tfidf_linear``
as it comes, and of the pipeline that is best on the same validation documents; means over five seeds.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

from patentlab.config import ExperimentConfig
from patentlab.console.command_line import compose
from patentlab.data.documents import read_documents
from patentlab.experiment import run_experiment
from patentlab.protocols import Silent
from patentlab.tasks import build_task

SEEDS = range(5)
# longest n-gram, class weight, C
GRID = (
    (1, None, 1.0),
    (1, None, 10.0),
    (1, "balanced", 10.0),
    (2, None, 10.0),
    (2, None, 100.0),
    (2, "balanced", 10.0),
)
CORPORA = {
    "PatentsView subclasses, 1:10": ["data=patentsview", "data.path={}/patentsview", "regime=1:10"],
    "PatentsView groups, 1:10": ["data=patentsview", "data.path={}/patentsview", "data.level=group", "regime=1:10"],
    "MASSIVE intents, 1:2": [
        "data=jsonl", "data.path={}/massive/en-US.jsonl", "data.text=utt", "data.labels=intent", "data.id=id",
        "data.task=single_label", "data.split.method=given", "data.split.column=partition", "data.min_count=10",
        "regime=1:2",
    ],
}  # fmt: skip


def best_of_grid(config: ExperimentConfig) -> float:
    """Test micro-F1 of the pipeline with the highest validation micro-F1."""
    documents = read_documents(config)
    task = build_task(config, documents.corpus.labels)
    sets = (documents.real, documents.split.validation, documents.split.test)
    train, validation, test = (task.encode(held) for held in sets)
    found = []
    for ngram_max, class_weight, strength in GRID:
        pipeline = make_pipeline(
            TfidfVectorizer(ngram_range=(1, ngram_max), sublinear_tf=True),
            OneVsRestClassifier(LogisticRegression(C=strength, class_weight=class_weight, max_iter=1000)),
        ).fit(train.texts, train.targets.astype(np.int64))  # 8-bit targets: labels beyond 128 would be mixed up
        scores = [pipeline.predict_proba(held.texts).astype(np.float32) for held in (validation, test)]
        decision = task.choose(validation.targets, scores[0])
        reached = [
            task.evaluate(held.targets, given, decision)["f1_micro"]
            for held, given in zip((validation, test), scores, strict=True)
        ]
        found.append((reached[0], reached[1]))
    return max(found, key=lambda pair: pair[0])[1]


def main() -> None:
    """Print a table in Markdown."""
    warnings.filterwarnings("ignore", message="Label not .* is present in all training examples")
    print("| corpus | tfidf_linear | grid | difference | by seed |\n|---|---|---|---|---|")
    for name, line in CORPORA.items():
        ours, grid = [], []
        for seed in SEEDS:
            settings = [part.format(sys.argv[1]) for part in line]
            config = compose(*settings, "model=tfidf_linear", "tracking=none", f"seed={seed}")
            with tempfile.TemporaryDirectory() as folder:
                ours.append(run_experiment(config, Path(folder), Silent()).metrics["test"]["f1_micro"])
            grid.append(best_of_grid(config))
        each = ", ".join(f"{own - other:+.3f}" for own, other in zip(ours, grid, strict=True))
        difference = np.mean(ours) - np.mean(grid)
        print(f"| {name} | {np.mean(ours):.3f} | {np.mean(grid):.3f} | {difference:+.4f} | {each} |", flush=True)


if __name__ == "__main__":
    main()
