"""Object masks: the pixels, and the tokens, that show the object of an image.

A mask is an image of the same size as its image. The gray level of a pixel is the fraction of it that the
object
covers: black for none, white for all, gray at soft edges. Image tables store masks as PNG with one channel of
8 bits in the column `mask`, which is null for an image without a mask.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tokred.data.decoding import decode, encode
from tokred.data.resize import resize_center_crop
from tokred.data.text import printable
from tokred.tables import parquet

#: A token shows the object if the object covers more than this fraction of the token's area.
COVERED = 0.12
#: The lightest pixel of a mask with an object is above this gray level. Otherwise values are probably class
#: indices, which are not coverage.
_DARK = 127


def read_mask(source: bytes | str) -> Image.Image:
    """A mask with one channel of 8 bits, from encoded bytes or from a file.

    Colors are converted to gray levels.

    Raises:
        ValueError: the mask cannot be decoded, has an alpha channel, or is not black and has no pixel closer
            to white than to black.
    """
    mask = decode(source).convert("L")
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
        if image.has_transparency_data:
            raise ValueError("has an alpha channel: expected an object mask of gray levels alone")
    lightest = int(np.asarray(mask).max())
    if 0 < lightest <= _DARK:
        raise ValueError(
            f"has no gray level above {lightest} of 255: expected an object mask, "
            "black for the ground and white for the object"
        )
    return mask


def encoded_mask(source: bytes | str, image: str, size: tuple[int, int]) -> bytes:
    """A mask as stored in tables: PNG with one channel of 8 bits.

    Args:
        source: encoded bytes, or the name of a file.
        image: name of the mask's image, for errors.
        size: (width, height) of the mask's image.

    Raises:
        ValueError: the mask cannot be read (see `read_mask`), or is of another size.
    """
    where = f"the mask of {printable(image)}"
    where = f"{printable(source)}, {where}," if isinstance(source, str) else where
    try:
        mask = read_mask(source)
    except ValueError as error:
        raise ValueError(f"{where} {error}") from error
    if mask.size != size:
        raise ValueError(
            f"{where} is of {mask.height} x {mask.width} pixels, expected the image's {size[1]} x {size[0]}"
        )
    return encode(mask, "PNG")


def token_mask(
    mask: Image.Image, grid: tuple[int, int], size: int, crop_pct: float | None
) -> NDArray[np.bool_]:
    """The tokens of which the object covers more than the fraction `COVERED`.

    Args:
        mask: one channel, of the size of its image.
        grid: (rows, columns) of tokens, which divide `size`.
        size, crop_pct: of the evaluation transform, see `tokred.data.resize.resize_center_crop`.

    Returns:
        (rows * columns,) booleans in raster order.
    """
    rows, columns = grid
    covered = np.asarray(resize_center_crop(mask, size, crop_pct), dtype=np.float64) / 255
    means = covered.reshape(rows, size // rows, columns, size // columns).mean(axis=(1, 3))
    return np.asarray(means.ravel() > COVERED)


def token_masks(
    path: str | Path, grid: tuple[int, int], size: int, crop_pct: float | None
) -> NDArray[np.bool_]:
    """(n, P) booleans, true for tokens that show the object of each image of a table; false without a mask.

    Args:
        path: an image table with masks.
        grid, size, crop_pct: as for `token_mask`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or has no column of masks, or a mask that cannot be read.
    """
    masks: list[NDArray[np.bool_]] = []
    with parquet.opened(path, "images", ["image_id", "mask"]) as file:
        for group in range(file.num_row_groups):
            stored = file.read_row_group(group, columns=["image_id", "mask"], use_threads=False)
            masks += [_tokens_of_row(path, row, grid, size, crop_pct) for row in stored.to_pylist()]
    return np.stack(masks)


def _tokens_of_row(
    path: str | Path, row: dict[str, Any], grid: tuple[int, int], size: int, crop_pct: float | None
) -> NDArray[np.bool_]:
    if row["mask"] is None:
        return np.zeros(grid[0] * grid[1], dtype=bool)
    try:
        return token_mask(read_mask(row["mask"]["bytes"]), grid, size, crop_pct)
    except ValueError as error:
        raise ValueError(f"{path}: mask of image {row['image_id']!r} {error}") from error
