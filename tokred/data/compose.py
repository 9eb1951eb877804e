"""Pictures made of scanned handwritten digits over textures and photographs.

Everything comes with scikit-learn: its 1,797 scans of digits, its two photographs. Scans and photographs are
split into train and test before anything else. Image number i of a split comes from a random generator of
its own, so that it is the same however many images are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from tokred import fingerprint
from tokred.data.decoding import encode as encode_image
from tokred.data.info import check_split

#: Height and width of every picture.
SIZE = 32
CLASSES = tuple("0123456789")
#: Side of a pasted digit's square in pixels.
DIGIT_SIZES = (12, 18)
_LUMA = np.array([0.299, 0.587, 0.114])
#: How much brighter a digit is at least than what is under it; backgrounds are dimmed to leave room.
_CONTRAST = 90
_DIM = 0.5
_TEST_SCANS = 1 / 3
_TEST_PHOTO = 1 / 4


@dataclass(frozen=True)
class Scans:
    """Digits of one split: (n, 8, 8) ink in [0, 1], and what they are."""

    ink: NDArray[Any]
    digit: NDArray[Any]


@cache
def scans(split: str) -> Scans:
    """The scans of a split: a fixed third of every class is for tests."""
    check_split(split)
    from sklearn.datasets import load_digits

    bunch = load_digits()
    shuffled = np.random.default_rng(0).permutation(len(bunch.target))
    test = np.zeros(len(bunch.target), dtype=bool)
    for digit in range(10):
        members = shuffled[bunch.target[shuffled] == digit]
        test[members[: round(_TEST_SCANS * len(members))]] = True
    chosen = test if split == "test" else ~test
    return Scans(bunch.images[chosen] / 16, bunch.target[chosen])


@cache
def photographs(split: str) -> list[NDArray[Any]]:
    """The right quarter of each photograph is for tests, the rest for training."""
    check_split(split)
    from sklearn.datasets import load_sample_image

    photos = [load_sample_image(name) for name in ("china.jpg", "flower.jpg")]
    edge = [round((1 - _TEST_PHOTO) * photo.shape[1]) for photo in photos]
    return [p[:, e:] if split == "test" else p[:, :e] for p, e in zip(photos, edge, strict=True)]


def generator(dataset: str, split: str, index: int) -> Generator:
    """The random generator of one image."""
    return np.random.default_rng(fingerprint.seed(f"{dataset}/{split}/{index}", size=16))


def background(rng: Generator, split: str) -> NDArray[Any]:
    """(SIZE, SIZE, 3) float32: half of the time a piece of a photograph, else a texture."""
    return _DIM * (_photo(rng, split) if rng.random() < 0.5 else _texture(rng))


def _photo(rng: Generator, split: str) -> NDArray[Any]:
    photo = photographs(split)[rng.integers(2)]
    height, width, _ = photo.shape
    side = int(rng.integers(48, min(160, width) + 1))
    y, x = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    piece = Image.fromarray(photo[y : y + side, x : x + side]).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return np.asarray(piece, dtype=np.float32)


def _texture(rng: Generator) -> NDArray[Any]:
    """Two colours mixed by a gradient, by stripes or by smooth noise."""
    first, second = rng.uniform(0, 255, (2, 3))
    rows, columns = np.mgrid[:SIZE, :SIZE] / (SIZE - 1)
    angle = rng.uniform(0, 2 * np.pi)
    along = np.cos(angle) * columns + np.sin(angle) * rows
    kind = rng.integers(3)
    if kind == 0:
        mix = (along - along.min()) / np.ptp(along)
    elif kind == 1:
        mix = 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(1, 6) * along + rng.uniform(0, 2 * np.pi))
    else:
        coarse = rng.normal(size=(int(rng.integers(3, 9)),) * 2).astype(np.float32)
        mix = np.asarray(Image.fromarray(coarse).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
        mix = (mix - mix.min()) / (np.ptp(mix) + 1e-6)
    return (first + (second - first) * 0.5 * mix[..., None]).astype(np.float32)


def place(rng: Generator, taken: list[tuple[int, int, int]]) -> tuple[int, int, int] | None:
    """A random (row, column, side) that hides nothing; None where 50 tries found none.

    Two squares may overlap by no more than a quarter of the smaller one.
    """
    for _ in range(50):
        side = int(rng.integers(DIGIT_SIZES[0], DIGIT_SIZES[1] + 1))
        row, column = (int(v) for v in rng.integers(0, SIZE - side + 1, 2))
        if all(_overlap((row, column, side), other) <= 0.25 for other in taken):
            return row, column, side
    return None


def _overlap(first: tuple[int, int, int], second: tuple[int, int, int]) -> float:
    shared = 1
    for axis in (0, 1):
        low = max(first[axis], second[axis])
        high = min(first[axis] + first[2], second[axis] + second[2])
        shared *= max(0, high - low)
    return shared / min(first[2], second[2]) ** 2


def paste(picture: NDArray[Any], ink: NDArray[Any], where: tuple[int, int, int], rng: Generator) -> None:
    """Draw a digit into the picture, in a random colour that is brighter than what is under it."""
    row, column, side = where
    enlarged = Image.fromarray(ink.astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC)
    mask = np.asarray(enlarged).clip(0, 1)[..., None]
    under = picture[row : row + side, column : column + side]
    colors = rng.uniform(0, 255, (512, 3))
    bright = np.flatnonzero(colors @ _LUMA >= under.mean(axis=(0, 1)) @ _LUMA + _CONTRAST)
    color = colors[bright[0]] if len(bright) else np.full(3, 255.0)
    under[:] = under * (1 - mask) + color * mask


def encode(picture: NDArray[Any]) -> bytes:
    """PNG of a picture with values in [0, 255]."""
    return encode_image(Image.fromarray(picture.clip(0, 255).astype(np.uint8)), "PNG")
