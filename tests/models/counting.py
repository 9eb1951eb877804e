"""Multiply-accumulates as torch counts the operations that it executes."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, no_grad
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def counted(forward: Callable[[], Tensor], part: str = "Global") -> float:
    """Multiply-accumulates of a call's matrix products, in all or in a part of the model ("Vit.head")."""
    # The counter does not know the CPU's fused attention.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, no_grad():
        forward()
    return sum(counter.get_flop_counts()[part].values()) / 2
