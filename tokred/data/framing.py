"""What part of a picture a backbone sees, for evaluation and for showing it."""

from __future__ import annotations

from typing import TypedDict

from PIL import Image


class Framing(TypedDict):
    """Arguments of `frame` for the images of a data set, as JSON has them."""

    size: int
    crop_pct: float | None


def frame(image: Image.Image, size: int, crop_pct: float | None) -> Image.Image:
    """A picture as a square of the backbone's size, bicubic.

    Args:
        image: of any size.
        size: height and width of the result.
        crop_pct: the shorter side is resized to `size / crop_pct` and the central square taken: with 0.875
            the usual 256 and 224, also for a picture that has the backbone's size already. None: the whole
            picture, of any shape, is resized to a square.
    """
    if crop_pct is None:
        return image.resize((size, size), Image.Resampling.BICUBIC)
    shorter = int(size / crop_pct)
    width, height = image.size
    wide, high = (int(shorter * side / min(width, height)) for side in (width, height))
    left, top = (round((side - size) / 2) for side in (wide, high))
    resized = image.resize((wide, high), Image.Resampling.BICUBIC)
    return resized.crop((left, top, left + size, top + size))
