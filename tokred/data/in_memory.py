"""Images of the built-in size as one uint8 tensor, augmented in batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tokred.data.batch_shard import WHOLE_BATCH, BatchShard
from tokred.data.image_table import ImageTable
from tokred.settings import Backbone, Training


class Source(Protocol):
    """Images of a split, for training or evaluation: `Images` in memory, or a `tokred.data.streamed.Stream`.

    Attributes:
        labels: (n,) int64, or (n, C) float32 multi-hot.
        task: "single" or "multi".
        num_classes: C.
        ids: stable image ids.
        classes: names of the classes, in the order of labels.
    """

    @property
    def labels(self) -> Tensor: ...

    @property
    def task(self) -> str: ...

    @property
    def num_classes(self) -> int: ...

    @property
    def ids(self) -> list[str]: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    def subset(self, index: Tensor) -> Source:
        """The images at some positions."""

    def inputs(self, pixels: Tensor, backbone: Backbone) -> Tensor:
        """Normalized input of a backbone, from images of `batches` or `steps`, on any device."""

    def batches(self, batch_size: int, shard: BatchShard = WHOLE_BATCH) -> Iterator[tuple[Tensor, Tensor]]:
        """All images and labels in order; process r of n gets batches r, r + n, ..."""

    def plain_batches(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All images, with values in [0, 1] and not normalized, and labels in order."""

    def steps(
        self, training: Training, shard: BatchShard, seed: int
    ) -> Iterator[Iterator[tuple[Tensor, Tensor]]]:
        """One augmented epoch: for each step the micro-batches of this process, with labels."""


@dataclass(frozen=True)
class Images:
    """A split in memory.

    Attributes:
        pixels: (n, 3, height, width) uint8.
        labels: (n,) int64, or (n, C) float32 multi-hot.
        task: "single" or "multi".
        num_classes: C.
        ids: stable image ids.
        classes: names of the classes, in the order of labels; empty if there are none.
    """

    pixels: Tensor
    labels: Tensor
    task: str
    num_classes: int
    ids: list[str]
    classes: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: str, image_size: int) -> Images:
        """Decode a whole image table. Raises ValueError for images of another size."""
        table = ImageTable(path)
        pixels = torch.from_numpy(table.images()).permute(0, 3, 1, 2).contiguous()
        if pixels.shape[2:] != (image_size, image_size):
            raise ValueError(f"{path}: images are {tuple(pixels.shape[2:])}, the backbone takes {image_size}")
        labels = torch.from_numpy(np.asarray(table.labels))
        if table.info.task == "multi":
            labels = labels.float()
        info = table.info
        return cls(pixels, labels, info.task, len(info.classes), list(table.image_ids), info.classes)

    def __len__(self) -> int:
        return len(self.pixels)

    def inputs(self, pixels: Tensor, backbone: Backbone) -> Tensor:
        """Normalized input of a backbone, from images of `batches` or `steps`, on any device."""
        return normalize(pixels, backbone)

    def subset(self, index: Tensor) -> Images:
        """The images at some positions."""
        ids = [self.ids[i] for i in index.tolist()]
        pixels, labels = self.pixels[index], self.labels[index]
        return Images(pixels, labels, self.task, self.num_classes, ids, self.classes)

    def batches(self, batch_size: int, shard: BatchShard = WHOLE_BATCH) -> Iterator[tuple[Tensor, Tensor]]:
        """All images and labels in order; process r of n gets batches r, r + n, ..."""
        parts = zip(self.pixels.split(batch_size), self.labels.split(batch_size), strict=True)
        yield from islice(parts, shard.rank, None, shard.world_size)

    def plain_batches(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All images, with values in [0, 1] and not normalized, and labels in order."""
        for pixels, labels in self.batches(batch_size):
            yield pixels / 255, labels

    def shuffled(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch in random order (torch's global generator), without an incomplete last batch."""
        batch_size = min(batch_size, len(self))
        for index in torch.randperm(len(self)).split(batch_size):
            if len(index) == batch_size:
                yield self.pixels[index], self.labels[index]

    def steps(
        self, training: Training, shard: BatchShard, seed: int
    ) -> Iterator[Iterator[tuple[Tensor, Tensor]]]:
        """One augmented epoch: for each step the micro-batches of this process, with labels.

        Random numbers come from torch's global generator, which all processes seed alike: each augments the
        whole batch, and selects its shard. The argument `seed` is not used.
        """
        slices = shard.slices(min(training.batch_size, len(self)))
        for pixels, labels in self.shuffled(training.batch_size):
            augmented = augment(pixels, training)
            yield ((augmented[part], labels[part]) for part in slices)


def normalize(pixels: Tensor, backbone: Backbone) -> Tensor:
    """(B, 3, height, width) float32 input of a backbone."""
    mean = torch.tensor(backbone.mean, device=pixels.device).view(3, 1, 1) * 255
    std = torch.tensor(backbone.std, device=pixels.device).view(3, 1, 1) * 255
    return (pixels.float() - mean) / std


def augment(pixels: Tensor, training: Training) -> Tensor:
    """Random shift (edges mirrored), brightness and contrast of each image (global generator)."""
    if training.max_shift:
        pixels = _shift(pixels, training.max_shift)
    if training.color_jitter:
        jitter = training.color_jitter
        brightness, contrast = 1 + jitter * (2 * torch.rand(2, len(pixels), 1, 1, 1) - 1)
        floats = pixels.float()
        mean = floats.mean(dim=(1, 2, 3), keepdim=True)
        pixels = ((floats - mean) * contrast + mean * brightness).clamp(0, 255)
    return pixels


def _shift(pixels: Tensor, limit: int) -> Tensor:
    batch, _, height, width = pixels.shape
    padded = F.pad(pixels.float(), (limit,) * 4, mode="reflect").to(pixels.dtype)
    offset = torch.randint(0, 2 * limit + 1, (2, batch, 1))
    rows = offset[0] + torch.arange(height)
    columns = offset[1] + torch.arange(width)
    image = torch.arange(batch)[:, None, None]
    # Advanced indices around a slice put the image and pixel axes first.
    return padded[image, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def hold_out(images: Source, part: float, seed: int) -> tuple[Source, Source]:
    """A random split into training and validation images, of which there is the fraction `part`."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    count = max(1, round(part * len(images)))
    return images.subset(order[count:].sort().values), images.subset(order[:count].sort().values)
