"""Synthetic pictures: scanned handwritten digits among clutter, on textures and photographs.

Scans and photographs come with scikit-learn (1,797 scans of digits, two photographs), and are split into
train and test first. A digit can be anywhere, and brighter or darker than its background; halves of other
digits are clutter, so that neither brightness nor ink alone identifies the whole digits. Every picture has an
object mask, the ink of its whole digits.

Image i of a split has its own random generator, so that it does not depend on the number of images, and
training can continue with fresh images without end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from tokred import fingerprint
from tokred.data.decoding import encode
from tokred.data.info import check_split

#: Height and width of every picture.
SIZE = 30
CLASSES = tuple("0123456789")
#: Sides, in pixels, of the squares of whole digits and of those that are cut in half (inclusive ranges).
DIGIT_SIDES = (15, 20)
SCENE_DIGIT_SIDES = (13, 17)
CLUTTER_SIDES = (9, 13)
#: Halves of digits in a picture (inclusive ranges); fewer if there is no room.
CLUTTER = (3, 5)
SCENE_CLUTTER = (1, 3)
#: Whole digits in a scene (inclusive range).
SCENE_DIGITS = (1, 3)
#: Smallest difference in luminance between a stroke and the mean of its background.
CONTRAST = 70
#: Range of the mean of a background, so that strokes can be brighter or darker.
_BACKGROUND_MEAN = (90, 165)
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_TEST_SCANS = 1 / 3
_TEST_PHOTO = 1 / 4
_ATTEMPTS = 50

#: (row, column, height, width) of a rectangle.
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Scans:
    """Digits of one split: (n, 8, 8) ink in [0, 1], and the digit that each shows."""

    ink: NDArray[np.float64]
    digit: NDArray[np.int64]


@dataclass(frozen=True)
class Picture:
    """A synthetic picture.

    Attributes:
        pixels: (SIZE, SIZE, 3) uint8.
        mask: (SIZE, SIZE) uint8 ink of the whole digits, 255 where a digit covers its background.
        digits: distinct digits in the picture, ascending.
    """

    pixels: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    digits: list[int]


@cache
def scans(split: str) -> Scans:
    """The scans of a split; a fixed third of every class is in the test split."""
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
def photographs(split: str) -> list[NDArray[np.uint8]]:
    """The photographs of a split: the right quarter of each for tests, the rest for training."""
    check_split(split)
    from sklearn.datasets import load_sample_image

    photos = [load_sample_image(name) for name in ("china.jpg", "flower.jpg")]
    edge = [round((1 - _TEST_PHOTO) * photo.shape[1]) for photo in photos]
    return [p[:, e:] if split == "test" else p[:, :e] for p, e in zip(photos, edge, strict=True)]


def generator(dataset: str, split: str, index: int) -> Generator:
    """The random generator of one image."""
    return np.random.default_rng(fingerprint.seed(f"{dataset}/{split}/{index}", size=16))


def digit_picture(split: str, index: int) -> Picture:
    """Image `index` of `digits`: one whole digit among halves of others."""
    rng = generator("digits", split, index)
    return _compose(rng, split, 1, DIGIT_SIDES, _count(rng, CLUTTER))


def scene_picture(split: str, index: int) -> Picture:
    """Image `index` of `scenes`: one to three smaller digits among halves of others."""
    rng = generator("scenes", split, index)
    return _compose(rng, split, _count(rng, SCENE_DIGITS), SCENE_DIGIT_SIDES, _count(rng, SCENE_CLUTTER))


def _compose(rng: Generator, split: str, digits: int, sides: tuple[int, int], clutter: int) -> Picture:
    source = scans(split)
    canvas = background(rng, split)
    mask = np.zeros((SIZE, SIZE), dtype=np.float32)
    boxes: list[Box] = []
    drawn: list[tuple[Box, NDArray[np.float32]]] = []
    present: set[int] = set()
    for _ in range(digits):
        scan, side = int(rng.integers(len(source.digit))), _count(rng, sides)
        box = place(rng, (side, side), boxes)
        if box is not None:
            boxes.append(box)
            drawn.append((box, _enlarged(split, scan, side)))
            present.add(int(source.digit[scan]))
    # Clutter first, so that it never covers a digit.
    for _ in range(clutter):
        ink = _half(rng, _enlarged(split, int(rng.integers(len(source.digit))), _count(rng, CLUTTER_SIDES)))
        box = place(rng, ink.shape, boxes)
        if box is not None:
            boxes.append(box)
            stroke(_crop(canvas, box), ink, rng)
    for box, ink in drawn:
        stroke(_crop(canvas, box), ink, rng)
        np.maximum(_crop(mask, box), ink, out=_crop(mask, box))
    pixels = canvas.clip(0, 255).round().astype(np.uint8)
    return Picture(pixels, (255 * mask).round().astype(np.uint8), sorted(present))


def _count(rng: Generator, limits: tuple[int, int]) -> int:
    return int(rng.integers(limits[0], limits[1] + 1))


def _half(rng: Generator, ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """The upper, lower, left or right half of a digit, give or take a pixel."""
    cut = len(ink) // 2 + int(rng.integers(0, 2))
    return (ink[:cut], ink[-cut:], ink[:, :cut], ink[:, -cut:])[int(rng.integers(4))]


def _crop(array: NDArray[np.float32], box: Box) -> NDArray[np.float32]:
    """A view of a box."""
    row, column, height, width = box
    return array[row : row + height, column : column + width]


@cache
def _enlarged(split: str, scan: int, side: int) -> NDArray[np.float32]:
    """(side, side) ink of a scan."""
    image = Image.fromarray(scans(split).ink[scan].astype(np.float32))
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC)).clip(0, 1)


def place(rng: Generator, shape: tuple[int, ...], taken: Iterable[Box]) -> Box | None:
    """A random box that overlaps each taken one by at most one line of pixels; None if none was found."""
    height, width = shape
    others = list(taken)
    for _ in range(_ATTEMPTS):
        row, column = int(rng.integers(0, SIZE - height + 1)), int(rng.integers(0, SIZE - width + 1))
        box = (row, column, height, width)
        if all(_apart(box, other) for other in others):
            return box
    return None


def _apart(first: Box, second: Box) -> bool:
    for axis in (0, 1):
        low = max(first[axis], second[axis])
        high = min(first[axis] + first[axis + 2], second[axis] + second[axis + 2])
        if high - low <= 1:
            return True
    return False


def stroke(under: NDArray[np.float32], ink: NDArray[np.float32], rng: Generator) -> None:
    """Draw ink in place, in a random color that is brighter or darker than the background by `CONTRAST`."""
    sign = 1 if rng.random() < 0.5 else -1
    ground = float((under @ _LUMA).mean())
    colors = rng.uniform(0, 255, (64, 3)).astype(np.float32)
    visible = np.flatnonzero(sign * (colors @ _LUMA - ground) >= CONTRAST)
    color = colors[visible[0]] if len(visible) else np.full(3, 255.0 if sign > 0 else 0.0, np.float32)
    under[:] = under * (1 - ink[..., None]) + color * ink[..., None]


def background(rng: Generator, split: str) -> NDArray[np.float32]:
    """(SIZE, SIZE, 3) background of medium brightness: a photograph or a texture, with equal probability."""
    picture = _photo(rng, split) if rng.random() < 0.5 else _texture(rng)
    return picture - picture.mean() + np.float32(rng.uniform(*_BACKGROUND_MEAN))


def _photo(rng: Generator, split: str) -> NDArray[np.float32]:
    """A crop of a photograph with half its contrast."""
    photo = photographs(split)[rng.integers(2)]
    height, width, _ = photo.shape
    side = int(rng.integers(48, min(160, width) + 1))
    y, x = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    piece = Image.fromarray(photo[y : y + side, x : x + side]).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return np.asarray(piece, dtype=np.float32) / np.float32(2)


def _texture(rng: Generator) -> NDArray[np.float32]:
    """Two similar colors, mixed by a gradient, stripes or smooth noise."""
    first, second = rng.uniform(0, 128, (2, 3))
    rows, columns = np.mgrid[:SIZE, :SIZE] / (SIZE - 1)
    angle = rng.uniform(0, 2 * np.pi)
    along = np.cos(angle) * columns + np.sin(angle) * rows
    kind = int(rng.integers(3))
    if kind == 0:
        mix = (along - along.min()) / np.ptp(along)
    elif kind == 1:
        mix = 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(1, 6) * along + rng.uniform(0, 2 * np.pi))
    else:
        coarse = rng.normal(size=(int(rng.integers(3, 9)),) * 2).astype(np.float32)
        mix = np.asarray(Image.fromarray(coarse).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
        mix = (mix - mix.min()) / (np.ptp(mix) + 1e-6)
    return (first + (second - first) * 0.5 * mix[..., None]).astype(np.float32)


#: For each data set, the function that draws the picture of an index in a split.
PICTURES: dict[str, Callable[[str, int], Picture]] = {"digits": digit_picture, "scenes": scene_picture}


def png(pixels: NDArray[np.uint8]) -> bytes:
    """PNG of (height, width, 3) or (height, width) pixels."""
    return encode(Image.fromarray(pixels), "PNG")
