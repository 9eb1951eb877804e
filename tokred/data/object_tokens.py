"""Which tokens of an image show its object."""

from __future__ import annotations

from numpy.typing import NDArray

#: A token shows the object where more than this part of its patch is the object's.
THRESHOLD = 0.12


def object_tokens(masks: NDArray, grid: tuple[int, int]) -> NDArray:
    """(n, N) booleans from object masks.

    Args:
        masks: (n, height, width) uint8, 255 where the object is.
        grid: (rows, columns) of tokens.

    Raises:
        ValueError: patches are not whole pixels.
    """
    count, height, width = masks.shape
    rows, columns = grid
    if height % rows or width % columns:
        raise ValueError(
            f"masks of {height} x {width} pixels cannot be divided into {rows} x {columns} whole patches"
        )
    patches = masks.reshape(count, rows, height // rows, columns, width // columns)
    return patches.mean(axis=(2, 4)).reshape(count, -1) > 255 * THRESHOLD
