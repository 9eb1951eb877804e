"""Which tokens a stage keeps or puts together, for one image, by loops over tokens."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

NORMS = {
    "l1": lambda y, x: abs(y) + abs(x),
    "l2": lambda y, x: y * y + x * x,
    "linf": lambda y, x: max(abs(y), abs(x)),
}


def fixed_pattern(norm: str, rows: int, columns: int, budget: int) -> list[int]:
    """Tokens within the radius whose count is closest to the budget, the smaller radius on a tie."""
    places = list(itertools.product(range(rows), range(columns)))
    distance = [NORMS[norm](2 * y - (rows - 1), 2 * x - (columns - 1)) for y, x in places]
    radius = min(sorted(set(distance)), key=lambda t: abs(sum(d <= t for d in distance) - budget))
    return [i for i, d in enumerate(distance) if d <= radius]


def highest(scores: Sequence[float], count: int) -> list[int]:
    """The tokens of highest score, by falling score."""
    return sorted(range(len(scores)), key=lambda i: -scores[i])[:count]


def ats_sample(significance: Sequence[float], budget: int) -> list[int]:
    """Tokens that the sample points hit, each once, in raster order.

    Args:
        significance: of each token: the sum over heads of CLS's attention times the norm of the value.
    """
    cdf = np.cumsum(np.array(significance) / (sum(significance) + 1e-6))
    points = [(2 * k + 1) / (2 * (budget + 1)) for k in range(budget)]
    return sorted({int(np.abs(cdf - point).argmin()) for point in points})


def tome_groups(similarity: NDArray, budget: int) -> list[list[int]]:
    """Tokens that become one, for each output token in order: unmerged A-tokens, then B.

    Args:
        similarity: (N, N) cosines of the keys of spatial tokens. With CLS at position 0, tokens at even
            positions of all tokens are A: the spatial tokens 1, 3, ... .
    """
    num_tokens = len(similarity)
    a_tokens, b_tokens = range(1, num_tokens, 2), range(0, num_tokens, 2)
    target = {a: max(b_tokens, key=lambda b, a=a: similarity[a, b]) for a in a_tokens}
    strongest = sorted(a_tokens, key=lambda a: -similarity[a, target[a]])
    merged = strongest[: min(max(num_tokens - budget, 0), len(a_tokens))]
    unmerged = [[a] for a in a_tokens if a not in merged]
    if not merged:
        return [[i] for i in range(num_tokens)]
    return unmerged + [[b, *(a for a in merged if target[a] == b)] for b in b_tokens]


def kmedoids(
    points: NDArray, weight: Sequence[float], budget: int, update: str, iterations: int = 3
) -> tuple[list[int], list[int]]:
    """Medoids in slot order, and the slot of each token.

    Args:
        points: (N, D).
        weight: of each token: attention received.
        update: "paper" or "reference".
    """
    d = np.linalg.norm(points[:, None] - points[None], axis=2)
    medoids = highest(weight, budget)
    for step in range(iterations + 1):
        slots = [min(range(budget), key=lambda k: (round(d[medoids[k], i], 6), k)) for i in range(len(d))]
        if step == iterations:
            break
        for k in range(budget):
            members = [i for i in range(len(d)) if slots[i] == k]
            inside = {i: sum(d[i, j] for j in members) for i in members}
            cost = inside if update == "paper" else {i: weight[i] * d[i].sum() for i in members}
            medoids[k] = min(members, key=lambda i, cost=cost: cost[i]) if members else medoids[k]
    return medoids, slots


def dpcknn(points: NDArray, neighbors: int, budget: int) -> tuple[list[int], list[int]]:
    """Centers by falling score, and the slot of each token; equal densities by token index."""
    count, width = points.shape
    d = np.linalg.norm(points[:, None] - points[None], axis=2) / np.sqrt(width)
    density = [round(np.exp(-np.mean(np.sort(row)[:neighbors] ** 2)), 6) for row in d]
    higher = [
        [j for j in range(count) if density[j] > density[i] or (density[j] == density[i] and j < i)]
        for i in range(count)
    ]
    indicator = [min((d[i, j] for j in higher[i]), default=d.max()) for i in range(count)]
    score = [round(a * b, 5) for a, b in zip(density, indicator, strict=True)]
    centers = sorted(range(count), key=lambda i: (-score[i], i))[:budget]
    slots = [min(range(budget), key=lambda k: (round(d[centers[k], i], 6), k)) for i in range(count)]
    return centers, [centers.index(i) if i in centers else slot for i, slot in enumerate(slots)]


def sinkhorn_plan(scores: Tensor, iterations: int, eps: float = 1.0) -> Tensor:
    """(N, K) transport plan times N + K, from (N, K) scores, by scaling rows and columns in turn."""
    tokens, queries = scores.shape
    kernel, u = (scores / eps).exp(), torch.ones(tokens, 1, dtype=scores.dtype)
    for _ in range(iterations):
        v = 1 / (tokens + queries) / (kernel * u).sum(dim=0, keepdim=True)
        u = 1 / (tokens + queries) / (kernel * v).sum(dim=1, keepdim=True)
    return kernel * u * v * (tokens + queries)
