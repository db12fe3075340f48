"""A sweep of four models, two regimes and three seeds: its run matrix, and the predictions behind it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, f1_score

from tests.analysis.written_runs import NAMES, THRESHOLD, write

CORPUS, TESTED = 160, 100
METRICS = ("f1_micro", "f1_macro", "map_macro")
# model → head, adapter, and how large its errors are
MODELS = {
    "constant": ("none", "none", None),
    "tfidf_linear": ("none", "none", 0.32),
    "minilm": ("embedding", "full", 0.30),
    "smollm2_135m": ("embedding", "lora", 0.45),
}
REGIMES = {"1:100": 0.15, "1:10": 0.0}  # errors on top
SEEDS = (0, 1, 2)
Answer = tuple[list[str], np.ndarray, np.ndarray]
"""Ids, true labels and scores of the test documents."""


def four_models(folder: Path) -> tuple[pd.DataFrame, dict[str, Path], dict[tuple[str, str, int], Answer]]:
    """The matrix, the folders of its runs, and by model, regime and seed what each was asked and said.

    Each seed tests 100 documents of one corpus of 160, as seeds that split a corpus anew do.
    """
    labels = np.random.default_rng(0).random((CORPUS, len(NAMES))) < [0.5, 0.3, 0.25, 0.2]
    rows, folders, said = [], {}, {}
    for seed in SEEDS:
        held = np.sort(np.random.default_rng([seed, 7]).choice(CORPUS, TESTED, replace=False))
        true, ids = labels[held], [f"d{number:03}" for number in held]
        for place, (model, (head, adapter, errors)) in enumerate(MODELS.items()):
            for regime, more in REGIMES.items():
                draw = np.random.default_rng([seed, place, int(regime[2:])])
                scores = np.tile(labels.mean(axis=0), (TESTED, 1))
                if errors is not None:
                    scores = np.clip(0.2 + 0.6 * true + draw.normal(0, errors + more, true.shape), 0, 1)
                scores = scores.astype(np.float32)
                run = f"{model}-{regime}-{seed}"
                folders[run] = write(folder / run.replace(":", "-"), true.astype(np.int8), scores, ids=ids)
                said[model, regime, seed] = ids, true, scores
                rows.append(row(run, model, head, adapter, regime, seed, measured(true, scores)))
    return pd.DataFrame(rows), folders, said


def measured(true: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """The metrics, straight from scikit-learn."""
    decided = scores >= THRESHOLD
    f1 = {f"f1_{average}": float(f1_score(true, decided, average=average, zero_division=0))
          for average in ("micro", "macro")}  # fmt: skip
    return f1 | {"map_macro": float(average_precision_score(true, scores, average="macro"))}


def row(
    run: str, model: str, head: str, adapter: str, regime: str, seed: int, metrics: dict[str, float], **more: Any
) -> dict[str, Any]:
    """Of a run matrix, of real documents alone unless ``more`` says otherwise."""
    choices = {
        "data": "patents", "model": model, "head": head, "adapter": adapter, "generator": None, "adaptation": None,
        "strategy": "none", "regime": regime, "mix": 1.0, "ordering": "shuffled", "loss": "bce", "seed": seed,
    }  # fmt: skip
    choices |= {name: more.pop(name) for name in choices.keys() & more.keys()}
    return {
        "run": run, "key": run, "status": "finished", "error": None,
        **{f"choices.{name}": value for name, value in choices.items()},
        **{f"metrics.test.{name}": value for name, value in metrics.items()},
        "counts.synthetic": 0, "counts.real": 440, "parameters.trained": 100, "timing.total": 2.0 + seed,
        "latency.ms_per_document.batch_32": 1.5 + seed,
        "fingerprints.test": f"test {seed}", **more,
    }  # fmt: skip
