"""Corruptions of images: Gaussian noise and blur, brightness, occluded patches.

Kinds and strengths are those of `tokred.settings.corruption`. Random numbers depend on the ids of the images
alone, so that every model sees the same corrupted images, whatever its method, keep rate, batch size and
device. Severities are nested: a higher one has the same noise, scaled, and occludes further patches.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from tokred.metrics.chance import image_seeds, random_bits
from tokred.settings import corruption

#: The Gaussian kernel ends after this many standard deviations, as in SciPy.
_TRUNCATE = 4.0
#: Bits of a uniform number; (k + 1/2) / 2^23 is exact in float32, and neither 0 nor 1.
_BITS = 23


def corrupt(
    images: Tensor, name: str, severity: int, image_ids: Iterable[str], grid: tuple[int, int]
) -> Tensor:
    """Corrupted images, with values in [0, 1].

    Args:
        images: (B, 3, height, width) with values in [0, 1], before normalization.
        name: kind of corruption: "noise", "blur", "brightness" or "occlusion".
        severity: 1, 2 or 3.
        image_ids: stable ids of the images, which determine their random numbers.
        grid: (rows, columns) of the patches of the backbone; only occlusion depends on it.

    Raises:
        ValueError: an unknown corruption or severity, another number of ids, or a grid that does not divide
            the images.
    """
    strength, scale = corruption.get(name).at(severity), min(images.shape[-2:]) / corruption.PUBLISHED_SIDE
    seeds = image_seeds(0, image_ids)
    if len(seeds) != len(images):
        raise ValueError(f"corruption {name!r}: found {len(seeds)} image ids for {len(images)} images")
    if name == "noise":
        return add_noise(images, strength * math.sqrt(scale), seeds)
    if name == "blur":
        return blur(images, math.hypot(strength * scale, corruption.LEAST_BLUR))
    if name == "brightness":
        return brighten(images, strength)
    return occlude(images, strength, seeds, grid)


def add_noise(images: Tensor, std: float, seeds: NDArray[Any]) -> Tensor:
    """Images with Gaussian noise on every value, clipped to [0, 1].

    Args:
        images: (B, 3, height, width) in [0, 1].
        std: standard deviation of the noise.
        seeds: (B,) uint64, see `image_seeds`.
    """
    noise = torch.stack([_normal(seed, images[0].numel()) for seed in seeds])
    return (images + std * noise.to(images.device).view_as(images)).clamp(0, 1)


def _normal(seed: np.uint64, count: int) -> Tensor:
    """(count,) float32 standard normal numbers by the transform of Box and Muller (1958).

    Not those of torch, which depend on the device and on the number of values.
    """
    bits = random_bits(np.array([seed]), -(-count // 2))[0]
    lowest = np.uint64((1 << _BITS) - 1)
    uniform = [((part & lowest).astype(np.float32) + 0.5) / (1 << _BITS) for part in (bits >> 41, bits >> 18)]
    first, second = (torch.from_numpy(values) for values in uniform)
    radius, angle = (-2 * first.log()).sqrt(), 2 * math.pi * second
    return torch.cat([radius * angle.cos(), radius * angle.sin()])[:count]


def blur(images: Tensor, sigma: float) -> Tensor:
    """Images under a Gaussian blur; beyond the edges, pixels are those at the edges.

    Args:
        images: (B, 3, height, width).
        sigma: standard deviation of the kernel in pixels, above 0.
    """
    radius = int(_TRUNCATE * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).repeat(images.shape[1], 1, 1, 1)
    for weight, padding in ((kernel, (radius, radius, 0, 0)), (kernel.mT, (0, 0, radius, radius))):
        images = F.conv2d(F.pad(images, padding, mode="replicate"), weight, groups=images.shape[1])
    return images


def brighten(images: Tensor, amount: float) -> Tensor:
    """Images with an amount added to the value of hue, saturation and value, clipped to [0, 1].

    The value of a pixel is its largest channel. Equal hue and saturation mean equal ratios of channels, so
    that all are scaled alike; black becomes gray.

    Args:
        images: (B, 3, height, width) in [0, 1].
        amount: what is added.
    """
    value = images.amax(dim=1, keepdim=True)
    brighter = (value + amount).clamp(0, 1)
    return torch.where(value > 0, images * (brighter / value.clamp(min=1e-12)), brighter)


def occlude(images: Tensor, fraction: float, seeds: NDArray[Any], grid: tuple[int, int]) -> Tensor:
    """Images with some of their patches, at random, replaced by the mean color of the whole image.

    Args:
        images: (B, 3, height, width).
        fraction: share of the patches, rounded to a whole number of them.
        seeds: (B,) uint64, see `image_seeds`.
        grid: (rows, columns) of patches.

    Raises:
        ValueError: the grid does not divide the images.
    """
    (rows, columns), (height, width) = grid, images.shape[-2:]
    if height % rows or width % columns:
        raise ValueError(
            f"corruption 'occlusion': images of {height} x {width} pixels have no grid of {rows} x {columns} "
            "equal patches"
        )
    count = rows * columns
    order = np.argsort(random_bits(seeds, count), axis=1)
    hidden = np.zeros((len(images), count), dtype=bool)
    np.put_along_axis(hidden, order[:, : round(fraction * count)], True, axis=1)
    mask = torch.from_numpy(hidden).to(images.device).view(-1, 1, rows, columns)
    mask = mask.repeat_interleave(height // rows, dim=2).repeat_interleave(width // columns, dim=3)
    return torch.where(mask, images.mean(dim=(2, 3), keepdim=True), images)
