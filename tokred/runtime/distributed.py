"""One training in several processes: who this is, and what all of them know together.

Gradients are averaged once an optimiser step, after all micro-batches, whatever parts of the network they
reached; with one process nothing here does anything.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

Value = TypeVar("Value")


def join(device: torch.device) -> None:
    """Meet the other processes that torchrun started; does nothing outside of torchrun."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")


def leave() -> None:
    """The opposite of `join`."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """Number of this process, from 0; the first writes files."""
    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Give every process the mean of all processes' gradients.

    A parameter that no process reached keeps no gradient, as it would in one process: the optimizer must not
    let it decay. (`DistributedDataParallel` would wrap the model, of which the training uses the names of
    parameters and the auxiliary loss, and would look for unused parameters in every pass.)
    """
    if count() == 1:
        return
    device = parameters[0].device
    reached = torch.tensor([p.grad is not None for p in parameters], dtype=torch.float32, device=device)
    dist.all_reduce(reached, dist.ReduceOp.MAX)
    chosen = [p for p, somewhere in zip(parameters, reached.tolist(), strict=True) if somewhere]
    gradients = []
    for parameter in chosen:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        gradients.append(parameter.grad)
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(flat)
    flat /= count()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def mean(values: Tensor) -> Tensor:
    """Mean over processes of a tensor of the same shape in each."""
    if count() > 1:
        dist.all_reduce(values)
        values /= count()
    return values


def gather(value: Value) -> list[Value]:
    """What each process has, by rank."""
    if count() == 1:
        return [value]
    everything: list[Any] = [None] * count()
    dist.all_gather_object(everything, value)
    return everything
