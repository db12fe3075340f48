from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from patentlab.figures.labels import MOST_LABELS, confusion_map, f1_against_support
from patentlab.figures.saving import save
from tests.figures.overlap import assert_no_overlap

NAMES = [f"L{number:02d}" for number in range(49)] + ["L49 $x_$"]
PER_LABEL = pd.DataFrame({"label": NAMES, "f1": np.linspace(0, 1, 50), "support": [0, *range(1, 50)]})
CONFUSIONS = pd.DataFrame(
    {"label": [NAMES[49], NAMES[49], "L48"], "given": [NAMES[49], "L48", "L48"], "share": [0.75, 0.5, 0.25]}
)  # fmt: skip


def test_every_label_with_a_test_document_is_a_point():
    axes = f1_against_support(PER_LABEL, "a run").axes[0]
    points = np.asarray(axes.collections[0].get_offsets())
    assert sorted(points[:, 0].tolist()) == list(range(1, 50))
    assert axes.get_xlabel() == "test documents with the label"


def test_names_of_labels_cover_no_other_names():
    figure = f1_against_support(PER_LABEL, "a run")
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) > 5
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n])


TITLE = "tfidf_linear 1:10 mix=0.3 oversample seed=0"


def test_long_names_cover_no_other_names_either():
    rows = [(f"a_rather_long_name_of_a_label_{n}", n % 7 / 7, 3 * 2 ** (n % 5)) for n in range(64)]
    figure = f1_against_support(pd.DataFrame(rows, columns=["label", "f1", "support"]), TITLE)
    assert len(figure.axes[0].texts) > 3
    assert_no_overlap(figure)


@pytest.mark.parametrize("labels", [2, 3, 8, 20])
def test_a_confusion_map_of_few_labels_has_room_for_all_that_is_written(labels: int):
    names = [f"a_label_{number}" for number in range(labels)]
    per_label = pd.DataFrame({"label": names, "support": range(1, labels + 1)})
    given = pd.DataFrame({"label": names, "given": names, "share": 0.5})
    assert_no_overlap(confusion_map(given, per_label, TITLE))


def test_the_confusion_map_shows_the_commonest_labels_first():
    axes = confusion_map(CONFUSIONS, PER_LABEL, "a run").axes[0]
    grid = np.asarray(axes.images[0].get_array())
    assert grid.shape == (MOST_LABELS, MOST_LABELS)
    assert grid[0, 0] == pytest.approx(0.75)
    assert grid[0, 1] == pytest.approx(0.5)
    assert grid[1, 1] == pytest.approx(0.25)
    assert grid.sum() == pytest.approx(1.5)
    assert axes.get_yticklabels()[0].get_text() == "L49 $x_$"
    assert axes.get_title(loc="left") == "a run; 9 rarer labels left out"


def test_figures_are_saved(tmp_path: Path):
    assert save(f1_against_support(PER_LABEL, "a run"), tmp_path / "f1.png").stat().st_size > 5000
