import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from patentlab.training.curriculum import curriculum_order


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 200), st.integers(0, 5))
@example(29, 27, 28, 0)  # exactly half a document
def test_added_documents_come_first_each_kind_for_its_share(added: int, real: int, total: int, seed: int):
    mask = np.array([True] * added + [False] * real)
    order = curriculum_order(mask, total, seed)
    kinds = mask[order]
    first = round(total * added / (added + real))
    assert len(order) == total
    assert kinds[:first].all() and not kinds[first:].any()
    for part, count in ((order[:first], added), (order[first:], real)):  # each document before any twice
        counts = np.bincount(part, minlength=len(mask))[np.unique(part)] if len(part) else np.array([0])
        assert counts.max() - (counts.min() if len(part) >= count else 0) <= 1 or len(part) < count
    assert (order == curriculum_order(mask, total, seed)).all()


def test_another_seed_is_another_order():
    mask = np.array([True] * 20 + [False] * 20)
    assert curriculum_order(mask, 80, 0).tolist() != curriculum_order(mask, 80, 1).tolist()
    assert sorted(curriculum_order(mask, 40, 0)) == pytest.approx(range(40))


@pytest.mark.parametrize(("count", "batch", "epochs"), [(40, 32, 10), (20, 16, 5), (44, 16, 3), (30, 8, 4)])
def test_training_sees_each_kind_for_its_share_and_real_documents_last(count: int, batch: int, epochs: int):
    import torch
    from torch import nn

    from patentlab.config import load_option
    from patentlab.console.command_line import compose
    from patentlab.losses import build_loss
    from patentlab.models.batching import collate_features
    from patentlab.protocols import Observer
    from patentlab.training.trainer import TrainingData, train

    seen: list[int] = []

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(1, 2)

        def forward(self, features: torch.Tensor, labels: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
            if self.training:
                seen.extend(features[:, 0].int().tolist())
            return {"logits": self.head(features)}

    added = np.arange(count) >= count // 5  # a share of real documents of 0.2
    items = [
        {"features": np.array([n], dtype=np.float32), "labels": np.zeros(2, dtype=np.float32)} for n in range(count)
    ]
    config = compose(
        "model=minilm", "adapter=frozen", f"trainer.epochs={epochs}", f"trainer.batch_size={batch}"
    ).trainer
    config.patience, config.precision = 1, "fp32"
    report = train(
        Net(), TrainingData(items, items, np.zeros((count, 2), dtype=np.int8), collate_features, added), config,
        build_loss(load_option("loss", "bce")), lambda logits, items: torch.sigmoid(logits).numpy(),
        Observer(lambda targets, scores: {"f1_micro": 0.0}), 0,
    )  # fmt: skip
    kinds = added[seen]
    first = round(count * epochs * float(added.mean()))
    assert kinds[:first].all() and not kinds[first:].any()
    # scores never get better, and patience is one validation: training still reaches the real documents
    assert len(seen) > first
    assert report.best_epoch is not None and report.best_epoch * count > first
