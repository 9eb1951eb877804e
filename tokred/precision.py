"""Steps that half precision is too coarse for."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_single(x: Tensor) -> Tensor:
    """The tensor in single precision, or in double precision if that is what it has."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
