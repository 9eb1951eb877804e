"""Agglomerative clustering of the tokens of many images: single, complete and average linkage.

Every token begins as a cluster, and the two nearest clusters merge until K are left. The distance of two
clusters is the smallest (single), the largest (complete), or the mean (average, UPGMA) of their tokens'.
There are two implementations of the same clusters:

- On the CPU, SciPy's `linkage` for one image after the other. It finds all N - 1 merges in O(N^2), by chains
  of nearest neighbors (single: by a minimum spanning tree). The last K - 1 are undone, so that K clusters are
  left. SciPy's own `fcluster` leaves fewer where merges have equal heights, and takes no negative ones.
- On other devices, and in graphs (`torch.jit.trace`, `torch.export`, `torch.compile`), N - K steps, each of
  which merges the two nearest clusters of every image, in batched tensors. The number of steps is known
  beforehand, so nothing is copied to the host. All pairs of reciprocal nearest neighbors could merge in one
  step, but there may be only one: a number of steps that is enough for any image would not be smaller, and
  each would cost more.

They may differ where distances are equal, or equal but for rounding: of the pairs with equal distances, the
batched implementation merges the one with the lowest token, and SciPy the one that its search comes upon.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from scipy.cluster import hierarchy
from torch import Tensor

Linkage = Literal["single", "complete", "average"]

#: Stands for a distance that is not a number: no difference of a cosine from 1 is larger.
_FARTHEST = 2.0


@torch.no_grad()
def cluster(distance: Tensor, num_clusters: int, linkage: Linkage) -> Tensor:
    """(B, N) cluster of each token, from 0 to K - 1 in the order of their lowest tokens.

    Args:
        distance: (B, N, N) distances, of which those of tokens i < j count. They may be negative.
        num_clusters: K, from 1 to N.
        linkage: "single", "complete" or "average".
    """
    num_tokens = distance.shape[1]
    if not 1 <= num_clusters <= num_tokens:
        raise ValueError(f"num_clusters {num_clusters}: expected 1 to {num_tokens}, the number of tokens")
    in_graph = torch.jit.is_tracing() or torch.compiler.is_compiling()
    by_scipy = distance.device.type == "cpu" and not in_graph
    return (one_by_one if by_scipy else batched)(distance, num_clusters, linkage)


def one_by_one(distance: Tensor, num_clusters: int, linkage: Linkage) -> Tensor:
    """`cluster` by SciPy, on the CPU."""
    num_images, num_tokens = distance.shape[:2]
    num_merges = num_tokens - num_clusters
    if num_merges == 0:
        return torch.arange(num_tokens).repeat(num_images, 1)
    first, second = np.triu_indices(num_tokens, 1)
    pairs = _finite(distance).numpy()[:, first, second].astype(np.float64)
    merges = np.empty((num_images, num_merges, 2), dtype=np.int64)
    for image, of_image in enumerate(pairs):
        # Merges are sorted by height: the last ones are those to undo.
        merges[image] = hierarchy.linkage(of_image, linkage)[:num_merges, :2]
    # Merge m makes node N + m of two older nodes.
    nodes = torch.arange(num_tokens + num_merges)
    made = nodes[num_tokens:].repeat_interleave(2).repeat(num_images, 1)
    parent = nodes.repeat(num_images, 1).scatter(1, torch.from_numpy(merges).flatten(1), made)
    root = _roots(parent)[:, :num_tokens]
    token = nodes[:num_tokens].repeat(num_images, 1)
    lowest = torch.full_like(parent, num_tokens).scatter_reduce(1, root, token, "amin")
    return _numbered(lowest.gather(1, root))


def batched(distance: Tensor, num_clusters: int, linkage: Linkage) -> Tensor:
    """`cluster` in batched tensors, on any device, without a copy to the host."""
    num_images, num_tokens = distance.shape[:2]
    upper = _finite(distance).triu(1)
    between = upper + upper.transpose(1, 2)
    between.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    parent = torch.arange(num_tokens, device=distance.device).repeat(num_images, 1)
    size = torch.ones_like(between[:, 0])
    for _ in range(num_tokens - num_clusters):
        nearest = between.flatten(1).argmin(dim=1, keepdim=True)
        # The first of the two equal entries of a pair, so that the lower token comes first.
        pair = torch.cat([nearest // num_tokens, nearest % num_tokens], dim=1)
        index = pair.unsqueeze(2).expand(-1, -1, num_tokens)
        rows = between.gather(1, index)
        if linkage == "single":
            merged = rows.amin(dim=1)
        elif linkage == "complete":
            merged = rows.amax(dim=1)
        else:
            sizes = size.gather(1, pair)
            total = sizes.sum(dim=1, keepdim=True)
            merged = (rows * sizes.unsqueeze(2)).sum(dim=1) / total
            size = size.scatter(1, pair[:, :1], total)
        # The cluster takes the place of its lower token, and that of the other is as far as can be from all.
        merged = merged.scatter(1, pair, torch.inf)
        replaced = torch.stack([merged, torch.full_like(merged, torch.inf)], dim=1)
        between.scatter_(1, index, replaced)
        between.transpose(1, 2).scatter_(1, index, replaced)
        parent = parent.scatter(1, pair[:, 1:], pair[:, :1])
    return _numbered(_roots(parent))


def _finite(distance: Tensor) -> Tensor:
    return distance.nan_to_num(nan=_FARTHEST)


def _roots(parent: Tensor) -> Tensor:
    """(B, N) root of every node, from (B, N) parents; a root is its own parent."""
    num_nodes = int(parent.shape[1])  # which torch.jit.trace gives as a tensor
    for _ in range(num_nodes.bit_length()):  # each time twice as far up
        parent = parent.gather(1, parent)
    return parent


def _numbered(lowest: Tensor) -> Tensor:
    """(B, N) number of each token's cluster, from its (B, N) lowest token."""
    token = torch.arange(lowest.shape[1], device=lowest.device)
    return ((lowest == token).cumsum(dim=1) - 1).gather(1, lowest)
