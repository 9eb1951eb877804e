"""Batched gather, sums and means of tokens."""

from __future__ import annotations

import torch
from torch import Tensor


def gather_tokens(x: Tensor, index: Tensor) -> Tensor:
    """(B, K, ...) tokens of (B, N, ...) at (B, K) indices.

    Raises IndexError for an out-of-range index (on CUDA a device-side assertion).
    """
    # Indexing copies whole tokens; `torch.gather` would need an index for every value.
    return x[torch.arange(x.shape[0], device=x.device).unsqueeze(1), index]


def sum_by_slot(x: Tensor, assign: Tensor, num_slots: int) -> Tensor:
    """(B, K, ...) sums of (B, N, ...) values over the tokens of each slot; `assign` is (B, N)."""
    index = assign.reshape(*assign.shape, *[1] * (x.ndim - 2)).expand_as(x)
    return x.new_zeros(x.shape[0], num_slots, *x.shape[2:]).scatter_add(1, index, x)


def no_autocast(x: Tensor) -> torch.autocast:
    """A context in which matrix products have the precision of their factors, on the tensor's device."""
    return torch.autocast(x.device.type, enabled=False)


def weighted_means(x: Tensor, size: Tensor, assign: Tensor, num_slots: int) -> tuple[Tensor, Tensor]:
    """(B, K, D) means of the tokens of each slot, weighted by size, and the (B, K) sums of their sizes.

    Args:
        x: (B, N, D) tokens.
        size: (B, N) their sizes.
        assign: (B, N) slot of each token.
        num_slots: K; no slot is empty.
    """
    weighted = sum_by_slot(x * size.unsqueeze(-1), assign, num_slots)
    total = sum_by_slot(size, assign, num_slots)
    return (weighted / total.unsqueeze(-1)).to(x.dtype), total


def at_least_float32(x: Tensor) -> Tensor:
    """The tensor in single precision, or unchanged if its precision is higher."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
