"""Checkpoints, from which an interrupted training resumes: tensors and JSON (`tokred.models.tensor_file`).

Unlike files of `torch.save` they contain no pickle, and errors tell damaged files from foreign ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tokred.models import tensor_file

Tensors = dict[str, Tensor]
_KIND = "training checkpoint"


def save(path: str | Path, tensors: Tensors, facts: dict[str, object]) -> None:
    """Write a checkpoint, which replaces an existing one atomically."""
    tensor_file.save(path, _KIND, tensors, facts)


def load(path: str | Path) -> tuple[Tensors, dict[str, Any]]:
    """The tensors and facts of a checkpoint.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or not a checkpoint of a training.
    """
    return tensor_file.load(path, _KIND)


def prefixed(prefix: str, tensors: Tensors) -> Tensors:
    """The tensors with `prefix` and a period before their names."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def without_prefix(prefix: str, tensors: Tensors) -> Tensors:
    """The tensors whose names begin with `prefix` and a period, named without these."""
    start = f"{prefix}."
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """Moments and step counts of every parameter, by "<index of the parameter>.<name>"."""
    entries = optimizer.state_dict()["state"]
    return {f"{index}.{key}": value for index, entry in entries.items() for key, value in entry.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Load the result of `optimizer_tensors` into an optimizer of the same parameters."""
    entries: dict[int, Tensors] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        entries.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": entries})
