"""Process-group helpers, as in `torch.distributed`, that also work without a process group.

Gradients are averaged once per optimizer step, after all micro-batches. With a single process, collective
operations return their arguments.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

Value = TypeVar("Value")


def init(device: torch.device) -> None:
    """Initialize the process group of torchrun's processes; no effect outside of torchrun."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")


def shutdown() -> None:
    """Destroy the process group, if there is one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """Rank of this process, from 0; rank 0 writes files."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Average gradients over processes, in place.

    A parameter without a gradient in any process still has none afterwards, as in a single process, so that
    the optimizer does not apply weight decay to it. (`DistributedDataParallel` would wrap the model, although
    training uses parameter names and the auxiliary loss, and would search for unused parameters in every
    pass.)
    """
    if world_size() == 1:
        return
    device = parameters[0].device
    has_gradient = torch.tensor([p.grad is not None for p in parameters], dtype=torch.float32, device=device)
    dist.all_reduce(has_gradient, dist.ReduceOp.MAX)
    used = [p for p, anywhere in zip(parameters, has_gradient.tolist(), strict=True) if anywhere]
    gradients = []
    for parameter in used:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        gradients.append(parameter.grad)
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(flat)
    flat /= world_size()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def mean(values: Tensor) -> Tensor:
    """Mean of a tensor over processes, in place; shapes must be equal."""
    if world_size() > 1:
        dist.all_reduce(values)
        values /= world_size()
    return values


def all_gather(value: Value) -> list[Value]:
    """The values of all processes, in the order of ranks."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value)
    return values
