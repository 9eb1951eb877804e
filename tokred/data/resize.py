"""The evaluation transform on images, which figures and the explorer use as well."""

from __future__ import annotations

from typing import TypedDict

from PIL import Image


class Framing(TypedDict):
    """Arguments of `resize_center_crop` for the images of a data set, as JSON has them."""

    size: int
    crop_pct: float | None


def resize_center_crop(image: Image.Image, size: int, crop_pct: float | None) -> Image.Image:
    """Resize an image (bicubic), and crop the central square.

    Args:
        image: an image of any size.
        size: height and width of the result.
        crop_pct: the shorter side is resized to `size / crop_pct` before the crop: 0.875 gives the usual 256
            and 224. This applies to images of the backbone's size, too. None resizes the whole image to a
            square.
    """
    if crop_pct is None:
        return image.resize((size, size), Image.Resampling.BICUBIC)
    shorter = int(size / crop_pct)
    width, height = image.size
    new_width, new_height = (int(shorter * side / min(width, height)) for side in (width, height))
    left, top = (round((side - size) / 2) for side in (new_width, new_height))
    resized = image.resize((new_width, new_height), Image.Resampling.BICUBIC)
    return resized.crop((left, top, left + size, top + size))
