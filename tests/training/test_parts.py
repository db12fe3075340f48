"""Batches of several data sets: in proportion, or each as often."""

import numpy as np
import pytest
import torch

from patentlab.training.parts import PartsMixed, epoch_length

PARTS = np.array([0] * 60 + [1] * 20 + [2] * 10)[np.random.default_rng(0).permutation(90)]
LENGTHS = np.random.default_rng(1).integers(5, 200, len(PARTS))


def order_of(*, even: bool, seed: int = 0, batch_size: int = 18) -> PartsMixed:
    generator = torch.Generator().manual_seed(seed)
    return PartsMixed(PARTS, LENGTHS.tolist(), batch_size, generator, even=even)


def test_every_batch_holds_parts_in_proportion_and_an_epoch_each_document_once():
    sampler = order_of(even=False)
    for _ in range(2):
        order = list(sampler)
        assert sorted(order) == list(range(90))
        for start in range(0, 90, 18):
            counts = np.bincount(PARTS[order[start : start + 18]], minlength=3)
            assert abs(counts - [12, 4, 2]).max() <= 1, counts


def test_even_batches_hold_each_part_as_often_and_small_parts_repeat():
    sampler = order_of(even=True)
    assert len(sampler) == epoch_length(PARTS, even=True) == 180
    order = list(sampler)
    assert len(order) == 180
    for start in range(0, 180, 18):
        assert np.bincount(PARTS[order[start : start + 18]], minlength=3).tolist() == [6, 6, 6]
    times = np.bincount(order, minlength=90)
    assert [set(times[part == PARTS]) for part in range(3)] == [{1}, {3}, {6}]


def test_what_is_left_of_a_smaller_part_is_drawn_anew_each_epoch():
    parts = np.array([0] * 7 + [1] * 4)
    sampler = PartsMixed(parts, [1] * 11, 2, torch.Generator().manual_seed(0), even=True)
    extra = set()
    for _ in range(6):
        times = np.bincount(list(sampler), minlength=11)
        assert times[:7].tolist() == [1] * 7
        assert sorted(times[7:]) == [1, 2, 2, 2]
        extra.add(int(times[7:].argmin()))
    assert len(extra) > 1


def test_documents_of_a_part_are_of_like_length_in_a_batch():
    parts, lengths = np.repeat(PARTS, 10), np.random.default_rng(2).integers(5, 200, 900)
    order = list(PartsMixed(parts, lengths.tolist(), 18, torch.Generator().manual_seed(0)))
    for part in range(3):
        own = [lengths[[n for n in order[start : start + 18] if parts[n] == part]] for start in range(0, 900, 18)]
        assert np.mean([np.ptp(one) for one in own if len(one) > 1]) < 0.25 * np.ptp(lengths[parts == part])


@pytest.mark.parametrize("even", [False, True])
def test_the_order_is_the_seeds(even: bool):
    assert list(order_of(even=even)) == list(order_of(even=even))
    assert list(order_of(even=even)) != list(order_of(even=even, seed=1))
