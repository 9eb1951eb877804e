"""Images of the built-in size as one uint8 tensor, augmented in batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tokred.config import Backbone, Training
from tokred.datasets.table import ImageTable


@dataclass(frozen=True)
class Images:
    """A split in memory.

    Attributes:
        pixels: (n, 3, height, width) uint8.
        labels: (n,) int64, or (n, C) float32 multi-hot.
        task: "single" or "multi".
        num_classes: C.
        ids: stable image ids.
    """

    pixels: Tensor
    labels: Tensor
    task: str
    num_classes: int
    ids: list[str]

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
        return cls(pixels, labels, table.info.task, len(table.info.classes), list(table.image_ids))

    def __len__(self) -> int:
        return len(self.pixels)

    def subset(self, index: Tensor) -> Images:
        """The images at some positions."""
        ids = [self.ids[i] for i in index.tolist()]
        return Images(self.pixels[index], self.labels[index], self.task, self.num_classes, ids)

    def hold_out(self, part: float, seed: int) -> tuple[Images, Images]:
        """A random split into training and validation images."""
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        count = max(1, round(part * len(self)))
        return self.subset(order[count:].sort().values), self.subset(order[:count].sort().values)

    def batches(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All images in order."""
        yield from zip(self.pixels.split(batch_size), self.labels.split(batch_size), strict=True)

    def shuffled(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch in random order (torch's global generator), without an incomplete last batch."""
        batch_size = min(batch_size, len(self))
        for index in torch.randperm(len(self)).split(batch_size):
            if len(index) == batch_size:
                yield self.pixels[index], self.labels[index]


def normalize(pixels: Tensor, backbone: Backbone) -> Tensor:
    """(B, 3, height, width) float32 input of a backbone."""
    mean = torch.tensor(backbone.mean).view(3, 1, 1) * 255
    std = torch.tensor(backbone.std).view(3, 1, 1) * 255
    return (pixels.float() - mean) / std


def augment(pixels: Tensor, training: Training) -> Tensor:
    """Random shifts (edges mirrored), brightness and contrast, one draw an image (global generator)."""
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
