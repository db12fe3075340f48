import numpy as np

from patentlab.models.features import FeatureStore


def test_features_are_computed_once_a_text_and_shared_by_later_stores():
    asked: list[list[str]] = []

    def compute(texts: list[str]) -> np.ndarray:
        asked.append(texts)
        return np.array([[len(text), ord(text[0])] for text in texts], dtype=np.float32)

    first = FeatureStore({"model": "a", "pooling": "mean"})
    assert first.get(["a", "bb", "a"], compute).tolist() == [[1, 97], [2, 98], [1, 97]]
    later = FeatureStore({"model": "a", "pooling": "mean"})
    assert later.get(["ccc", "bb"], compute).tolist() == [[3, 99], [2, 98]]
    assert first.get(["ccc", "a"], compute).tolist() == [[3, 99], [1, 97]]
    assert asked == [["a", "bb"], ["ccc"]]


def test_another_identity_has_features_of_its_own():
    FeatureStore({"model": "a", "pooling": "max"}).get(["a"], lambda texts: np.zeros((1, 2), dtype=np.float32))
    other = FeatureStore({"model": "a", "pooling": "last"}).get(["a"], lambda texts: np.ones((1, 2), dtype=np.float32))
    assert other.tolist() == [[1, 1]]
