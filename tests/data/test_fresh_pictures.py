"""Endless pictures are those of the training split, whoever draws them and wherever a training goes on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tokred.data import synthetic
from tokred.data.fresh_pictures import pictures, training_batches
from tokred.data.object_tokens import object_tokens

GRID = (10, 10)


def test_pictures_are_those_of_the_split() -> None:
    batch = pictures("test", 7, 3, GRID)
    assert (batch.pixels.shape, batch.pixels.dtype) == ((3, 3, 30, 30), torch.uint8)
    assert batch.objects.shape == (3, 100)
    for index in range(3):
        picture = synthetic.digit_picture("test", 7 + index)
        assert np.array_equal(batch.pixels[index].permute(1, 2, 0).numpy(), picture.pixels)
        assert [int(batch.labels[index])] == picture.digits


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


def test_object_tokens() -> None:
    masks = np.zeros((2, 6, 4), np.uint8)
    masks[0, 0, 0] = 255  # a sixth of the first patch
    masks[0, 3:, 2:] = 51  # a fifth everywhere
    masks[1, 0, 3] = 153  # a tenth of the second patch
    found = object_tokens(masks, (2, 2))
    assert found.tolist() == [[True, False, False, True], [False] * 4]


def test_patches_are_whole_pixels() -> None:
    with pytest.raises(
        ValueError, match="masks of 30 x 30 pixels cannot be divided into 8 x 8 whole patches"
    ):
        object_tokens(np.zeros((1, 30, 30), np.uint8), (8, 8))
