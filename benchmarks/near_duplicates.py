"""How many groups of near duplicates a corpus has at each similarity: a table of docs/measurements.md.

python -m benchmarks.near_duplicates data.path=FOLDER [other settings of the data group]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import numpy as np

from patentlab.console.command_line import compose
from patentlab.data.audit import same_text, similar_text
from patentlab.data.sources import read_corpus

SIMILARITIES = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4)


def main(overrides: Sequence[str]) -> None:
    """Print a line a similarity: groups, size of the largest, seconds."""
    corpus = read_corpus(compose("data=patentsview", *overrides).data)
    texts = [document.text for document in corpus.documents]
    print(f"{len(texts)} documents, {len(set(same_text(texts)))} distinct texts")
    for similarity in SIMILARITIES:
        begin = time.perf_counter()
        groups = similar_text(texts, similarity)
        seconds = time.perf_counter() - begin
        print(f"{similarity}: {groups.max() + 1} groups, the largest has {np.bincount(groups).max()}, {seconds:.1f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
