"""Synthetic patterns and features that resemble those of real methods.

Scores of tokens are smooth random fields on a 14 x 14 grid; a pruning method keeps the highest, a merging
method joins each token to the nearest of some centers, in place and in color. Numbers of tokens are the real
ones, `token_budget`.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tokred.schedules.budget import token_budget

#: Side of the grid, and stages.
SIDE, STAGES = 14, 3
#: P, tokens of the grid.
TOKENS = SIDE * SIDE
#: Range of the smoothing in tokens, and the part of a score that is not smooth.
_RANGE, _NOISE = 1.5, 0.3
#: Smooth fields that tell tokens apart besides their place.
_COLORS = 3
_CHUNK = 256


def survivors(rng: Generator, images: int, rate: str) -> NDArray:
    """(images, P) uint8: last stage that each token survives, as in `tokred.tables.patterns`."""
    survived = np.zeros((images, TOKENS), dtype=np.uint8)
    scores = _fields(rng, images)
    for stage in range(1, STAGES + 1):
        scores = scores + _NOISE * rng.standard_normal(scores.shape)
        lost = survived < stage - 1
        order = np.argsort(np.where(lost, -np.inf, scores), axis=1)
        np.put_along_axis(survived, order[:, -token_budget(TOKENS, rate, stage) :], stage, axis=1)
    return survived


def clusters(rng: Generator, images: int, rate: str) -> list[NDArray]:
    """Cluster of every token at each stage, (images, P) int16, numbered in arbitrary order."""
    parts = [_clusters(rng, min(_CHUNK, images - at), rate) for at in range(0, images, _CHUNK)]
    return [np.concatenate(stages).astype(np.int16) for stages in zip(*parts, strict=True)]


def _clusters(rng: Generator, images: int, rate: str) -> list[NDArray]:
    place = np.stack(np.mgrid[:SIDE, :SIDE], axis=-1).reshape(TOKENS, 2) / SIDE
    colors = [_fields(rng, images) for _ in range(_COLORS)]
    points = np.concatenate([np.broadcast_to(place, (images, TOKENS, 2)), np.stack(colors, axis=-1)], axis=2)
    slots, found = np.broadcast_to(np.arange(TOKENS), (images, TOKENS)), []
    for stage in range(1, STAGES + 1):
        ranks = rng.random(points.shape[:2]).argsort(axis=1)
        chosen = ranks[:, : token_budget(TOKENS, rate, stage), None]
        centers = np.take_along_axis(points, chosen, axis=1)
        slots = np.take_along_axis(_nearest(points, centers), slots, axis=1)
        points = centers
        found.append(slots)
    return found


def _nearest(points: NDArray, centers: NDArray) -> NDArray:
    """(images, points) index of the nearest center."""
    distance = (centers**2).sum(axis=2)[:, None, :] - 2 * points @ centers.transpose(0, 2, 1)
    return distance.argmin(axis=2)


def _fields(rng: Generator, images: int) -> NDArray:
    """(images, P) smooth random fields of variance 1."""
    return rng.standard_normal((images, TOKENS)) @ _smoothing()


@cache
def _smoothing() -> NDArray:
    """(P, P) matrix that smooths white noise."""
    rows, columns = (axis.ravel() for axis in np.mgrid[:SIDE, :SIDE])
    squares = (rows[:, None] - rows) ** 2 + (columns[:, None] - columns) ** 2
    kernel = np.exp(-squares / (2 * _RANGE**2))
    return kernel / np.linalg.norm(kernel, axis=0)
