"""What one forward pass for a label and tags saves: a joint model against two single ones on the same utterances.

``python -m benchmarks.joint FOLDER [ROUNDS]``: FOLDER is MASSIVE's. Milliseconds an utterance, medians over rounds in
turns, one by one and in batches of 32, and the joint model's time as a share of both others'. Weights of the heads are
random: time does not hang on them.
"""

from __future__ import annotations

import sys
import time
from statistics import median

from patentlab.classifiers.settings import TransformerSettings
from patentlab.classifiers.transformer import TransformerClassifier
from patentlab.console.command_line import compose
from patentlab.data.documents import read_documents
from patentlab.protocols import Silent
from patentlab.tasks import build_task

HEADS = ("joint", "embedding", "token")
SIZES = {1: 50, 32: 320}  # batch size → utterances


def build(folder: str, model: str, head: str) -> tuple[TransformerClassifier, list[str]]:
    """A classifier whose head is random, and the test utterances."""
    adapter = "full" if model == "minilm" else "lora"
    config = compose("data=massive", f"data.path={folder}", f"model={model}", f"adapter={adapter}", f"head={head}")
    documents = read_documents(config)
    task = build_task(config, documents.corpus.labels)
    classifier = TransformerClassifier.fresh(TransformerSettings.of(config), task, 0, Silent())
    return classifier, [document.text for document in documents.split.test]


def main() -> None:
    """Measure and print a table in Markdown."""
    folder, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    print("| model | utterances at once | joint | label alone | tags alone | joint / both |\n|---|---|---|---|---|---|")
    for model in ("minilm", "smollm2_135m"):
        built = {head: build(folder, model, head) for head in HEADS}
        for size, count in SIZES.items():
            found: dict[str, list[float]] = {head: [] for head in HEADS}
            for _ in range(rounds):
                for head, (classifier, texts) in built.items():
                    start = time.perf_counter()
                    classifier.answer_anew(texts[:count], size)
                    found[head].append(1000 * (time.perf_counter() - start) / count)
            joint, label, tags = (median(found[head]) for head in HEADS)
            print(f"| {model} | {size} | {joint:.1f} | {label:.1f} | {tags:.1f} | {joint / (label + tags):.2f} |")


if __name__ == "__main__":
    main()
