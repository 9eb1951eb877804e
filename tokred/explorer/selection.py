"""Deterministic choice of the images that the explorer shows, evenly over the classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def preference_order(image_ids: NDArray[Any], labels: NDArray[Any]) -> NDArray[Any]:
    """Rows of a table in order of preference.

    Any number of first rows is spread evenly over the classes: first one image of every class, then a second
    one of every class, and so on, within a class by id. The order of classes is bit-reversed, so that the
    first few of many are far apart (ImageNet's first classes are all fish).

    Args:
        image_ids: (n,) ids.
        labels: (n,) classes, or (n, C) multi-hot, of which an image's first class counts.

    >>> preference_order(np.array(["b", "a", "c", "d"]), np.array([0, 0, 1, 1]))
    array([1, 2, 0, 3])
    """
    classes = first_class(labels)
    by_id = np.argsort(image_ids.astype(str), kind="stable")
    rank = np.empty(len(by_id), dtype=int)
    seen: dict[int, int] = {}
    for row in by_id:
        rank[row] = seen.get(classes[row], 0)
        seen[classes[row]] = rank[row] + 1
    spread = _reversed_bits(classes)
    return by_id[np.lexsort((spread[by_id], rank[by_id]))]


def first_class(labels: NDArray[Any]) -> NDArray[Any]:
    """(n,) class of each image, the first one of several; C for images without a class."""
    if labels.ndim == 1:
        return labels.astype(int)
    return np.where(labels.any(axis=1), labels.argmax(axis=1), labels.shape[1])


def _reversed_bits(values: NDArray[Any]) -> NDArray[Any]:
    """Integers with reversed bits: any first few are spread over the range (van der Corput sequence)."""
    width = int(values.max()).bit_length()
    return sum(((values >> bit) & 1) << (width - 1 - bit) for bit in range(width)) + np.zeros_like(values)
