from patentlab.console.command_line import compose
from patentlab.corpus import derive_seed
from patentlab.data.documents import read_documents, read_split
from patentlab.data.regimes import keep_part
from patentlab.data.sources import read_corpus
from patentlab.data.splits import split_corpus


def test_documents_are_read_split_and_cut_with_a_seed_of_their_own_each():
    config = compose("data.size=200", "data.split.validation=30", "data.split.test=40", "regime=1:4", "seed=3")
    documents = read_documents(config)
    corpus = read_corpus(config.data)
    assert documents.corpus == corpus
    assert documents.split == split_corpus(corpus, config.data.split, derive_seed(3, "split"))
    assert documents.real == keep_part(documents.split.pool, corpus.labels, 4, derive_seed(3, "regime"))
    assert read_split(config) == (corpus, documents.split)


def test_split_and_regime_are_drawn_apart():
    line = ["data.size=200", "data.split.validation=30", "data.split.test=40", "regime=1:4", "seed=3"]
    both = read_documents(compose(*line))
    regime = read_documents(compose(*line, "seeds.regime=4"))
    assert regime.split == both.split and regime.real != both.real
    split = read_documents(compose(*line, "seeds.split=4"))
    assert split.split != both.split
    assert split == read_documents(compose(*line[:-1], "seed=4", "seeds.regime=3"))
    others = [f"seeds.{name}=4" for name in ("weights", "batches")]
    assert read_documents(compose(*line, "model=minilm", *others)) == both
