"""Small image tables."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tokred.data import writing
from tokred.data.image_table import ImageTable
from tokred.data.info import Row, TableInfo

SINGLE = TableInfo("shapes", "train", "single", ("square", "disc", "star"))
MULTI = TableInfo("shapes", "test", "multi", ("square", "disc", "star"))


def pixels(seed: int, size: tuple[int, int] = (7, 5)) -> NDArray:
    """Random (H, W, 3) pixels."""
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def png(image: NDArray) -> bytes:
    """Pixels as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def row(name: str, seed: int, label: int | list[int], size: tuple[int, int] = (7, 5)) -> Row:
    """A labeled image of random pixels."""
    return Row(name, png(pixels(seed, size)), f"{name}.png", label)


def written(path: Path, info: TableInfo, rows: Iterable[Row]) -> ImageTable:
    """Write a table and open it."""
    writing.write(path, info, rows)
    return ImageTable(path)
