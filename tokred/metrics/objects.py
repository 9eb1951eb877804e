"""Metrics of patterns with respect to object masks: does a method keep the object of an image?

Both metrics are means over the tokens that show the object, so that they do not depend on the size of the
background. For a pruning method the question is which of these tokens are kept. A merging method drops none;
for it the question is whether they are mixed with the background.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def object_recall(kept: NDArray[Any], objects: NDArray[Any]) -> NDArray[Any]:
    """Share of an object's tokens that are kept: |M n O| / |O|.

    Args:
        kept: (n, P) booleans, tokens kept, M.
        objects: (n, P) booleans, tokens that show the object, O; at least one in each image.

    Returns:
        (n,) values in [0, 1].

    Raises:
        ValueError: different shapes, or an image without object tokens.

    >>> object_recall(np.array([[True, False, True, True]]), np.array([[True, True, False, False]]))
    array([0.5])
    """
    _check(kept, objects)
    return (kept & objects).sum(axis=1) / objects.sum(axis=1)


def expected_recall(kept: NDArray[Any], objects: NDArray[Any]) -> NDArray[Any]:
    """Recall expected of a random pattern with as many kept tokens: |M| / P.

    Args and errors as of `object_recall`.

    >>> expected_recall(np.array([[True, False, True, True]]), np.array([[True, True, False, False]]))
    array([0.75])
    """
    _check(kept, objects)
    return kept.sum(axis=1) / kept.shape[1]


def object_purity(clusters: NDArray[Any], objects: NDArray[Any]) -> NDArray[Any]:
    """Share of the object in an object token's cluster, mean over the object's tokens.

    With m_c tokens in cluster c, o_c of which show the object, this is sum_c o_c (o_c / m_c) / |O|: 1 where
    no cluster mixes object and background, |O| / P where all tokens are one cluster. A dropped token counts
    as 0.

    Args:
        clusters: (n, P) number of each token's cluster, from 0; -1 for a dropped token.
        objects: (n, P) booleans, tokens that show the object, O; at least one in each image.

    Returns:
        (n,) values in [0, 1].

    Raises:
        ValueError: different shapes, or an image without object tokens.

    >>> object_purity(np.array([[0, 0, 0, 1]]), np.array([[True, True, False, False]]))
    array([0.66666667])
    """
    sizes, shown = _counts(clusters, objects)
    return (shown**2 / np.maximum(sizes, 1)).sum(axis=1) / objects.sum(axis=1)


def expected_purity(clusters: NDArray[Any], objects: NDArray[Any]) -> NDArray[Any]:
    """Purity expected after a random permutation of the tokens of each image.

    Each other token in the cluster of an object's token shows the object with probability
    (|O| - 1) / (P - 1). With C clusters of T tokens in total, the mean is
    (C + (T - C) (|O| - 1) / (P - 1)) / P.

    Args and errors as of `object_purity`.

    >>> expected_purity(np.array([[0, 0, 0, 1]]), np.array([[True, True, False, False]])).round(4)
    array([0.6667])
    """
    sizes, _ = _counts(clusters, objects)
    tokens, count = clusters.shape[1], (sizes > 0).sum(axis=1)
    chance = (objects.sum(axis=1) - 1) / max(tokens - 1, 1)
    return (count + (sizes.sum(axis=1) - count) * chance) / tokens


def _counts(clusters: NDArray[Any], objects: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """(n, C) number of tokens in each cluster, and of those that show the object."""
    _check(clusters, objects)
    images = len(clusters)
    width = int(clusters.max(initial=-1)) + 2  # the first is for dropped tokens
    keys = (np.arange(images)[:, None] * width + clusters + 1).ravel()
    sizes, shown = (
        np.bincount(keys, weights, images * width).reshape(images, width)[:, 1:]
        for weights in (None, objects.ravel())
    )
    return sizes, shown


def _check(pattern: NDArray[Any], objects: NDArray[Any]) -> None:
    if pattern.shape != objects.shape:
        raise ValueError(
            f"patterns of shape {pattern.shape} and objects of {objects.shape}: expected the same"
        )
    empty = ~objects.any(axis=1)
    if empty.any():
        raise ValueError(f"{empty.sum()} images have no token that shows an object; expected none such")
