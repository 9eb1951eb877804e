"""Which images of a data set the explorer shows: the same ones every time, evenly over the classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def preference(image_ids: NDArray[Any], labels: NDArray[Any]) -> NDArray[Any]:
    """Rows of a table in the order in which images are chosen.

    However many of the first rows are taken, they are spread over the classes: first an image of every
    class, then another of every class, and so on; within a class by id. Classes follow each other in an
    order in which a few of many are far apart (ImageNet's first classes are all fish).

    Args:
        image_ids: (n,) ids.
        labels: (n,) classes, or (n, C) multi-hot: an image counts for its first class.

    >>> preference(np.array(["b", "a", "c", "d"]), np.array([0, 0, 1, 1]))
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
    """(n,) the class of each image, or its first one; one above the last for images without any."""
    if labels.ndim == 1:
        return labels.astype(int)
    return np.where(labels.any(axis=1), labels.argmax(axis=1), labels.shape[1])


def _reversed_bits(values: NDArray[Any]) -> NDArray[Any]:
    """Integers with their bits in reverse: counting up, they halve the largest gap again and again."""
    width = int(values.max()).bit_length()
    return sum(((values >> bit) & 1) << (width - 1 - bit) for bit in range(width)) + np.zeros_like(values)
