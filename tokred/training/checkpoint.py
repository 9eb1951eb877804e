"""The state of an interrupted training: tensors, and the rest as JSON (`tokred.models.tensor_file`).

Unlike `torch.save`, this holds no pickle, and a damaged or foreign file is told as such.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tokred.models import tensor_file

Tensors = dict[str, Tensor]
_KIND = "state of a training"


def save(path: str | Path, tensors: Tensors, facts: dict[str, object]) -> None:
    """Replace the state file at once by a complete new one."""
    tensor_file.save(path, _KIND, tensors, facts)


def load(path: str | Path) -> tuple[Tensors, dict[str, Any]]:
    """What `save` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or no state of a training.
    """
    return tensor_file.load(path, _KIND)


def prefixed(prefix: str, tensors: Tensors) -> Tensors:
    """The tensors under longer names."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def without_prefix(prefix: str, tensors: Tensors) -> Tensors:
    """The tensors whose names begin with the prefix, by the rest of their names."""
    start = f"{prefix}."
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """Moments and step counts of every parameter, by position."""
    entries = optimizer.state_dict()["state"]
    return {f"{index}.{key}": value for index, entry in entries.items() for key, value in entry.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Give an optimiser of the same parameters the moments that `optimizer_tensors` took."""
    entries: dict[int, Tensors] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        entries.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": entries})
