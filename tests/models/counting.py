"""Multiply-accumulates as torch counts the operations that it executes."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, no_grad
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def counted(forward: Callable[[], Tensor], part: str = "Global") -> float:
    """Multiply-accumulates of a call's matrix products, in all or in a part of the model ("Vit.head")."""
    return counted_by_part(forward)[part]


def counted_by_part(forward: Callable[[], Tensor]) -> dict[str, float]:
    """Multiply-accumulates of a call's matrix products in each part of the model, and in "Global"."""
    # The counter does not know the CPU's fused attention.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, no_grad():
        forward()
    return {part: sum(flops.values()) / 2 for part, flops in counter.get_flop_counts().items()}
