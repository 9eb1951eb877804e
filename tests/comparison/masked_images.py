"""Image tables with masks, for runs on made-up images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.data.tables import SINGLE, png
from tokred.data import writing
from tokred.data.info import Row


def write_images(path: Path, ids: Sequence[str], masks: Sequence[NDArray | None]) -> str:
    """Path of a test split of black images with these masks, (height, width) uint8."""
    rows = []
    for name, mask in zip(ids, masks, strict=True):
        image = png(np.zeros((8, 8, 3), np.uint8))
        rows.append(Row(name, image, f"{name}.png", 0, None if mask is None else png(mask)))
    writing.write(path, replace(SINGLE, dataset="one", split="test"), rows, masks=True)
    return str(path)
