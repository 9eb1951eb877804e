"""An endless stream of fresh pictures of `digits`, with masks of the digit's tokens, from worker processes.

Step i of a training gets pictures i * B to (i + 1) * B - 1 of the training split. Each picture has its own
random generator, so a training that resumes after any step gets the same pictures as one that was not
interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tokred.data import synthetic
from tokred.data.masks import token_mask

#: Batches that each worker prefetches.
_PREFETCH = 8


class PictureBatch(NamedTuple):
    """Pictures of one split.

    Attributes:
        pixels: (B, 3, height, width) uint8.
        labels: (B,) int64 digits.
        objects: (B, N) booleans, true for tokens that show the digit.
    """

    pixels: Tensor
    labels: Tensor
    objects: Tensor


def pictures(split: str, first: int, count: int, grid: tuple[int, int]) -> PictureBatch:
    """Consecutive pictures of a split.

    Args:
        grid: (rows, columns) of tokens.
    """
    drawn = [synthetic.digit_picture(split, first + index) for index in range(count)]
    return PictureBatch(
        torch.from_numpy(np.stack([picture.pixels.transpose(2, 0, 1) for picture in drawn])),
        torch.tensor([picture.digits[0] for picture in drawn]),
        torch.from_numpy(np.stack([_objects(picture, grid) for picture in drawn])),
    )


def training_batches(
    steps: Iterable[int], batch_size: int, grid: tuple[int, int], workers: int
) -> Iterator[PictureBatch]:
    """Batches of the given steps of a training; they do not depend on the number of workers (at least 1)."""
    # With its own generator, since the loader would draw from the global one. "fork", since a spawned process
    # would import the workflow's script again.
    return iter(
        DataLoader(
            _Steps(batch_size, grid),
            sampler=steps,
            batch_size=None,
            num_workers=workers,
            prefetch_factor=_PREFETCH,
            generator=torch.Generator(),
            multiprocessing_context="fork",
        )
    )


def _objects(picture: synthetic.Picture, grid: tuple[int, int]) -> NDArray[np.bool_]:
    return token_mask(Image.fromarray(picture.mask), grid, synthetic.SIZE, crop_pct=None)


class _Steps(Dataset[PictureBatch]):
    """The batch of each step of a training."""

    def __init__(self, batch_size: int, grid: tuple[int, int]) -> None:
        self._batch_size, self._grid = batch_size, grid

    def __getitem__(self, step: int) -> PictureBatch:
        return pictures("train", step * self._batch_size, self._batch_size, self._grid)
