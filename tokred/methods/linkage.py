"""Agglomerative clustering of the tokens of many images: single, complete and average linkage.

Every token begins as a cluster, and the two nearest clusters merge until K are left. The distance of two
clusters is the smallest (single), the largest (complete), or the mean (average, UPGMA) of their tokens'.
All implementations find the same clusters:

- `one_by_one`, on the CPU: SciPy's `linkage` for one image after the other. It finds all N - 1 merges in
  O(N^2), by chains of nearest neighbors (single: by a minimum spanning tree). The last K - 1 are undone, so
  that K clusters are left. SciPy's own `fcluster` leaves fewer where merges have equal heights, and takes no
  negative ones.
- `by_forest`, single linkage in batched tensors: Boruvka's minimum spanning tree, in which every cluster
  takes its shortest edge at the same time. log2(N) rounds are always enough.
- `in_rounds`, complete and average linkage in batched tensors: in each round, all pairs of clusters that are
  each other's nearest merge. No cluster comes nearer to others by merging, so this finds the merges of the
  definition, in another order. About 10 rounds take 196 tokens to 98 clusters, and at most N - K. The host
  reads one truth value per round, whether more are needed: N - K rounds without reading any would cost more
  than `in_steps`.
- `in_steps`, complete and average linkage in graphs (`torch.jit.trace`, `torch.export`, `torch.compile`, CUDA
  graphs), which cannot depend on data: N - K steps, each of which merges the two nearest clusters of every
  image.

They may differ where distances are equal, or equal but for rounding: of the pairs with equal distances,
batched tensors merge the one with the lowest tokens, and SciPy the one that its search comes upon.
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
    in_graph = torch.jit.is_tracing() or torch.compiler.is_compiling() or distance.device.type == "meta"
    in_graph |= torch.cuda.is_available() and torch.cuda.is_current_stream_capturing()
    if distance.device.type == "cpu" and not in_graph:
        return one_by_one(distance, num_clusters, linkage)
    if linkage == "single":
        return by_forest(distance, num_clusters)
    return (in_steps if in_graph else in_rounds)(distance, num_clusters, linkage)


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


def by_forest(distance: Tensor, num_clusters: int) -> Tensor:
    """`cluster` with single linkage in batched tensors: the N - K shortest edges of a spanning tree."""
    num_images, num_tokens = distance.shape[0], int(distance.shape[1])  # torch.jit.trace gives tensors
    between = _between(distance)
    token = torch.arange(num_tokens, device=distance.device).expand(num_images, -1)
    root = token  # of each token's tree; the edge by which a root becomes another's child is `edge[root]`
    edge, length = torch.zeros_like(token), torch.full_like(between[:, 0], torch.inf)
    for _ in range((num_tokens - 1).bit_length()):
        same_tree = root.unsqueeze(2) == root.unsqueeze(1)
        nearest, other = between.masked_fill(same_tree, torch.inf).min(dim=2)
        shortest = torch.full_like(nearest, torch.inf).scatter_reduce(1, root, nearest, "amin")
        # Edges are numbered in the order of their tokens. Of equal ones the first is taken, so that no edges
        # of several trees form a circle.
        number = torch.minimum(token, other) * num_tokens + torch.maximum(token, other)
        number = number.masked_fill(nearest > shortest.gather(1, root), num_tokens**2)
        first = torch.full_like(number, num_tokens**2).scatter_reduce(1, root, number, "amin")
        has_edge = (shortest < torch.inf) & (root == token)
        first = first.masked_fill(~has_edge, 0)
        ends = root.gather(1, first // num_tokens), root.gather(1, first % num_tokens)
        target = torch.where(ends[0] == token, ends[1], ends[0])
        mutual = (first.gather(1, target) == first) & has_edge.gather(1, target)
        becomes_child = has_edge & ~(mutual & (token < target))
        edge, length = torch.where(becomes_child, first, edge), torch.where(becomes_child, shortest, length)
        root = _roots(torch.where(becomes_child, target, token)).gather(1, root)
    chosen = edge.gather(1, length.argsort(dim=1, stable=True)[:, : num_tokens - num_clusters])
    return _numbered(_lowest_reached(chosen // num_tokens, chosen % num_tokens, num_tokens))


def in_rounds(distance: Tensor, num_clusters: int, linkage: Linkage) -> Tensor:
    """`cluster` with complete or average linkage in batched tensors, by reciprocal nearest neighbors."""
    num_images, num_tokens = distance.shape[:2]
    num_merges = num_tokens - num_clusters
    between = _between(distance)
    token = torch.arange(num_tokens, device=distance.device).expand(num_images, -1)
    # A cluster has the place of its lowest token. `parent` is the cluster that it merged into, at `height`.
    parent, height = token, torch.full_like(between[:, 0], torch.inf)
    size = torch.ones_like(height)
    for _ in range(num_merges):
        nearest, other = between.min(dim=2)
        # Merges below the least distance that is left are final: no later one is lower.
        final = (height <= nearest.amin(dim=1, keepdim=True)).sum(dim=1)
        if bool((final >= num_merges).all()):
            break
        mutual = (other.gather(1, other) == token) & (nearest < torch.inf)
        stays, goes = mutual & (token < other), mutual & (token > other)
        parent, height = torch.where(goes, other, parent), torch.where(goes, nearest, height)
        partner = torch.where(stays, other, token)
        added = torch.where(stays, size.gather(1, other), 0)
        share = (added / (size + added)).unsqueeze(2)
        size = size + added
        index = partner.unsqueeze(2).expand_as(between)
        for _ in range(2):  # rows, then columns: the matrix is symmetric, and each pass transposes it
            rows = between.gather(1, index)
            if linkage == "complete":
                between = torch.maximum(between, rows)
            else:  # not by `lerp`: infinite distances would make numbers that are none
                between = torch.where(share > 0, (1 - share) * between + share * rows, between)
            between = between.transpose(1, 2)
        between = between.masked_fill(goes.unsqueeze(1) | goes.unsqueeze(2), torch.inf)
        between.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    lowest_merges = height.argsort(dim=1, stable=True)[:, :num_merges]
    made = torch.zeros_like(parent, dtype=torch.bool).scatter(1, lowest_merges, True)
    return _numbered(_roots(torch.where(made, parent, token)))


def in_steps(distance: Tensor, num_clusters: int, linkage: Linkage) -> Tensor:
    """`cluster` with complete or average linkage in batched tensors, by a number of steps that is known."""
    num_images, num_tokens = distance.shape[:2]
    between = _between(distance)
    parent = torch.arange(num_tokens, device=distance.device).repeat(num_images, 1)
    size = torch.ones_like(between[:, 0])
    for _ in range(num_tokens - num_clusters):
        nearest = between.flatten(1).argmin(dim=1, keepdim=True)
        # The first of the two equal entries of a pair, so that the lower token comes first.
        pair = torch.cat([nearest // num_tokens, nearest % num_tokens], dim=1)
        index = pair.unsqueeze(2).expand(-1, -1, num_tokens)
        rows = between.gather(1, index)
        if linkage == "complete":
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


def _between(distance: Tensor) -> Tensor:
    """(B, N, N) distances on both sides of the diagonal, which is infinite."""
    upper = _finite(distance).triu(1)
    between = upper + upper.transpose(1, 2)
    between.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    return between


def _lowest_reached(start: Tensor, end: Tensor, num_tokens: int) -> Tensor:
    """(B, N) lowest token that each token reaches by edges from `start` to `end`, both (B, E)."""
    reached = torch.eye(num_tokens, device=start.device).repeat(start.shape[0], 1, 1).flatten(1)
    for one, other in ((start, end), (end, start)):
        reached = reached.scatter(1, one * num_tokens + other, 1.0)
    reached = reached.unflatten(1, (num_tokens, num_tokens))
    for _ in range((num_tokens - 1).bit_length()):  # each time twice as many edges away
        reached = (reached @ reached > 0).float()
    return reached.argmax(dim=2)


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
