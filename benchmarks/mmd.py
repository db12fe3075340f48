"""MMD² of added documents to real ones: does the order of corpora hang on the bandwidth or on the encoder?

python -m benchmarks.mmd DATA [SETTING=VALUE …]

DATA is the folder with ``patentsview``; settings go to every corpus (``seed=1``). Corpora are those
of ``+experiment=sources`` and rules; each is held against the same 500 patents of the pool, by three encoders at half,
once and twice the median bandwidth.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from patentlab.classifiers.factory import build_classifier
from patentlab.classifiers.label_consistency import Judge
from patentlab.console.command_line import compose
from patentlab.data.documents import read_documents
from patentlab.fidelity.measures import median_bandwidth, mmd2, mmd2_interval
from patentlab.mixing.training_set import make_training_set
from patentlab.models.encoder import embed_texts
from patentlab.protocols import Embeds, Silent
from patentlab.tasks import build_task

REFERENCE = 500
LINE = ["data=patentsview", "regime=1:10", "mix.budget=250", "mix=0.3", "tracking=none", "model=minilm",
        "adapter=frozen", "mix.on_shortage=shrink"]  # fmt: skip
WRITTEN = ["strategy=paraphrase", "generator.precision=bf16", "generator.max_new_tokens=192"]
CORPORA = {
    "other real patents": ["strategy=reveal", "strategy.sources=regime"],
    "sentences recombined": ["strategy=recombine"],
    "words rearranged (eda)": ["strategy=eda"],
    "paraphrases of the 75": WRITTEN,
    "paraphrases of all 439": [*WRITTEN, "strategy.sources=regime"],
}
Encode = Callable[[Sequence[str]], NDArray[np.floating]]


def encoders(pool: Sequence[str], data: str) -> dict[str, Encode]:
    """Texts → vectors, by three encoders."""
    latent = make_pipeline(TfidfVectorizer(sublinear_tf=True), TruncatedSVD(100, random_state=0)).fit(list(pool))
    config = compose("data=patentsview", data, "model=smollm2_135m", "adapter=frozen", "tracking=none")
    labels = read_documents(config).corpus.labels
    decoder = build_classifier(config, build_task(config, labels), 0, Silent())
    if not isinstance(decoder, Embeds):
        raise TypeError("a transformer has vectors")
    return {
        "MiniLM": lambda texts: embed_texts(texts, Silent()),
        "TF-IDF, 100 latent": lambda texts: np.asarray(latent.transform(list(texts))),
        "SmolLM2, mean": lambda texts: np.asarray(decoder.embed(list(texts), Silent())),
    }


def main() -> None:
    """Print tables in Markdown."""
    data, more = f"data.path={sys.argv[1]}/patentsview", sys.argv[2:]
    documents = read_documents(compose(*LINE, data, *more))
    pool = [document.text for document in documents.split.pool]
    order = np.random.default_rng(0).permutation(len(pool))
    reference = [pool[place] for place in order[:REFERENCE]]
    corpora = {}
    for name, line in CORPORA.items():
        made = make_training_set(compose(*LINE, data, *line, *more), documents, Silent(), Judge)
        corpora[name] = [document.text for document in made.added or made.addition.documents]
    columns: dict[str, dict[str, float]] = {}
    intervals: dict[str, str] = {}
    for encoder, encode in encoders(pool, data).items():
        real = encode(reference)
        vectors = {name: encode(texts) for name, texts in corpora.items()}
        bandwidth = median_bandwidth(real)
        for factor in (0.5, 1.0, 2.0):
            columns[f"{encoder}, {factor:g} σ"] = {
                name: mmd2(own, real, factor * bandwidth) for name, own in vectors.items()
            }
        if not intervals:
            for name, own in vectors.items():
                low, high = mmd2_interval(own, real, bandwidth)
                intervals[name] = f"[{low:.4f}, {high:.4f}]"
    table = pd.DataFrame(columns)
    first = table["MiniLM, 1 σ"]
    table.loc["rank correlation with MiniLM, 1 σ"] = [spearmanr(table[name], first)[0] for name in table]
    shown = table.map("{:.4f}".format).rename_axis("corpus")
    shown["MiniLM, 95%"] = shown.index.map(lambda name: intervals.get(str(name), ""))
    print(shown.to_markdown())


if __name__ == "__main__":
    main()
