"""Endless pictures are those of the training split, whoever draws them and wherever a training goes on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tokred.data import synthetic
from tokred.data.fresh_pictures import pictures, training_batches

GRID = (10, 10)


def test_pictures_are_those_of_the_split() -> None:
    batch = pictures("test", 7, 3, GRID)
    assert (batch.pixels.shape, batch.pixels.dtype) == ((3, 3, 30, 30), torch.uint8)
    assert batch.objects.shape == (3, 100)
    for index in range(3):
        picture = synthetic.digit_picture("test", 7 + index)
        assert np.array_equal(batch.pixels[index].permute(1, 2, 0).numpy(), picture.pixels)
        assert [int(batch.labels[index])] == picture.digits
        covered = picture.mask.reshape(10, 3, 10, 3).mean(axis=(1, 3)).ravel() / 255
        assert batch.objects[index].tolist() == (covered > 0.12).tolist()


@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker processes")  # on a single core
@pytest.mark.parametrize("workers", [1, 2])
def test_batches_of_any_steps(workers: int) -> None:
    expected_batches = [pictures("train", 4 * step, 4, GRID) for step in range(3, 6)]
    before = torch.get_rng_state()
    found = list(training_batches(range(3, 6), 4, GRID, workers))
    assert torch.equal(torch.get_rng_state(), before)
    assert len(found) == 3
    for batch, expected_batch in zip(found, expected_batches, strict=True):
        for tensor, expected in zip(batch, expected_batch, strict=True):
            assert torch.equal(tensor, expected)
