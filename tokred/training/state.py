"""The state of an interrupted training, as one safetensors file: tensors, and the rest as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from tokred.files import atomic_path

Tensors = dict[str, Tensor]


def save(path: str | Path, tensors: Tensors, facts: dict[str, object]) -> None:
    """Replace the state file at once by a complete new one."""
    with atomic_path(path) as temporary:
        contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
        save_file(contiguous, temporary, metadata={"tokred": json.dumps(facts)})


def load(path: str | Path) -> tuple[Tensors, dict[str, object]]:
    """What `save` wrote."""
    with safe_open(path, framework="pt") as stored:
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a dict)
        return tensors, json.loads(stored.metadata()["tokred"])


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
