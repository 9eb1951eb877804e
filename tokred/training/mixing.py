"""Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019) of pairs of images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from torch import Tensor

from tokred.settings import Training


@dataclass(frozen=True)
class StepMix:
    """The mixes of one optimizer step: one random draw for each nominal micro-batch of the effective batch.

    In the published code each process draws once per micro-batch (256 images). Here the draws are tied to
    positions in the effective batch, so that they depend neither on the number of processes nor on their
    micro-batches.

    Attributes:
        mixes: one for each nominal micro-batch, in the order of the batch.
        size: images in a nominal micro-batch, an even number; the last one may have fewer.
    """

    mixes: tuple[Mix, ...]
    size: int

    @classmethod
    def draw(cls, training: Training, batch_size: int, rng: Generator) -> StepMix:
        """Random mixes of a batch of `batch_size` images."""
        size = training.mix_micro_batch
        return cls(tuple(Mix.draw(training, rng) for _ in range(0, batch_size, size)), size)

    def apply(
        self, images: Tensor, labels: Tensor, num_classes: int, first: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Mix consecutive images of the batch; see `Mix.apply`.

        Args:
            images, labels: of an even number of images.
            first: index of the first image in the batch, an even number.
        """
        parts, start = [], 0
        while start < len(images):
            index, offset = divmod(first + start, self.size)
            part = slice(start, start + self.size - offset)
            parts.append(self.mixes[index].apply(images[part], labels[part], num_classes))
            start = part.stop
        if len(parts) == 1:
            return parts[0]
        return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


@dataclass(frozen=True)
class Mix:
    """How the images of one nominal micro-batch are mixed: neighbors (0, 1), (2, 3), ... with each other.

    Neighbors rather than a reversed batch, as in timm, so that the result does not depend on how the batch is
    split into processes and micro-batches.

    Attributes:
        lam: the papers' lambda, the weight of the image itself; its partner has weight 1 - lambda.
        cut: whether a box is copied from the partner (CutMix), or the images are averaged (Mixup).
        center: (row, column) of the box, as fractions of the image size.
    """

    lam: float
    cut: bool
    center: tuple[float, float]

    @classmethod
    def draw(cls, training: Training, rng: Generator) -> Mix:
        """A random mix."""
        both = training.mixup > 0 and training.cutmix > 0
        cut = rng.random() < training.cutmix_share if both else training.cutmix > 0
        alpha = training.cutmix if cut else training.mixup
        return cls(float(rng.beta(alpha, alpha)), bool(cut), tuple(rng.random(2).tolist()))

    def apply(self, images: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
        """Mixed images (B, 3, height, width), B even, and (B, C) class probabilities from labels (B,)."""
        partner = torch.arange(len(images), device=images.device) ^ 1
        lam = self.lam
        if self.cut:
            rows, columns = (self._span(axis, images.shape[2 + axis]) for axis in (0, 1))
            mixed = images.clone()
            mixed[:, :, rows, columns] = images[partner][:, :, rows, columns]
            # The box is cut off at the edges of the image.
            covered = (rows.stop - rows.start) * (columns.stop - columns.start)
            lam = 1 - covered / (images.shape[2] * images.shape[3])
        else:
            mixed = lam * images + (1 - lam) * images[partner]
        one_hot = F.one_hot(labels, num_classes).to(images.dtype)
        return mixed, lam * one_hot + (1 - lam) * one_hot[partner]

    def _span(self, axis: int, size: int) -> slice:
        side = int(size * np.sqrt(1 - self.lam))
        middle = int(size * self.center[axis])
        return slice(max(0, middle - side // 2), min(size, middle + (side + 1) // 2))
