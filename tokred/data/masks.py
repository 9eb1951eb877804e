"""Object masks: which pixels, and which tokens, show what an image is about.

A mask is a picture of the size of its image. Its gray level says how much of a pixel the object covers: black
for nothing, white for all of it, gray at the soft edges of an object. Image tables have masks as PNG with one
channel of 8 bits in the column `mask`, which is null for an image without a mask.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tokred.data.decoding import decode
from tokred.data.framing import frame
from tokred.data.text import printable
from tokred.tables import parquet

#: A token shows the object where the object covers more than this part of the token's area.
COVERED = 0.12
#: The lightest pixel of a mask that has an object is above this gray level. Where it is not, the values are
#: probably numbers of classes, which do not say how much is covered.
_DARK = 127


def read_mask(source: bytes | str) -> Image.Image:
    """A mask with one channel of 8 bits, of encoded bytes or of the file of that name.

    Colors are converted to gray levels.

    Raises:
        ValueError: it cannot be decoded, has an alpha channel, or is neither black nor has any pixel that is
            nearer to white than to black.
    """
    mask = decode(source).convert("L")
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
        if image.has_transparency_data:
            raise ValueError("has an alpha channel: expected an object mask of gray levels alone")
    _, lightest = mask.getextrema()
    if 0 < lightest <= _DARK:
        raise ValueError(
            f"has no gray level above {lightest} of 255: expected an object mask, "
            "black for the ground and white for the object"
        )
    return mask


def encoded_mask(source: bytes | str, image: str, size: tuple[int, int]) -> bytes:
    """A mask as tables have it: PNG with one channel of 8 bits.

    Args:
        source: encoded bytes, or the name of a file.
        image: name of its image, for errors.
        size: (width, height) of its image.

    Raises:
        ValueError: it cannot be read (see `read_mask`), or is of another size.
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
    buffer = io.BytesIO()
    mask.save(buffer, "PNG")
    return buffer.getvalue()


def token_mask(mask: Image.Image, grid: tuple[int, int], size: int, crop_pct: float | None) -> NDArray:
    """Which tokens show the object: those of which it covers more than `COVERED`.

    Args:
        mask: one channel, of the size of its image.
        grid: (rows, columns) of tokens, which divide `size`.
        size, crop_pct: what of an image the backbone sees, see `tokred.data.framing.frame`.

    Returns:
        (rows * columns,) booleans in raster order.
    """
    rows, columns = grid
    seen = np.asarray(frame(mask, size, crop_pct), dtype=np.float64) / 255
    return seen.reshape(rows, size // rows, columns, size // columns).mean(axis=(1, 3)).ravel() > COVERED


def token_masks(path: str | Path, grid: tuple[int, int], size: int, crop_pct: float | None) -> NDArray:
    """(n, P) booleans: which tokens of each image of a table show its object; none where it has no mask.

    Args:
        path: of an image table with masks.
        grid, size, crop_pct: as for `token_mask`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, has no column of masks, or a mask that cannot be read.
    """
    found: list[NDArray] = []
    with parquet.opened(path, "images", ["image_id", "mask"]) as file:
        for group in range(file.num_row_groups):
            stored = file.read_row_group(group, columns=["image_id", "mask"], use_threads=False)
            found += [_tokens_of_row(path, row, grid, size, crop_pct) for row in stored.to_pylist()]
    return np.stack(found)


def _tokens_of_row(
    path: str | Path, row: dict, grid: tuple[int, int], size: int, crop_pct: float | None
) -> NDArray:
    if row["mask"] is None:
        return np.zeros(grid[0] * grid[1], dtype=bool)
    try:
        return token_mask(read_mask(row["mask"]["bytes"]), grid, size, crop_pct)
    except ValueError as error:
        raise ValueError(f"{path}: mask of image {row['image_id']!r} {error}") from error
