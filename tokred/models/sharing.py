"""Copies of modules that share nothing but the parameters."""

from __future__ import annotations

import copy
from typing import TypeVar, cast

from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def share_parameters(module: Module) -> Module:
    """A copy of a module whose parameters and buffers are the original's, not copies.

    Everything else is separate: submodules, training mode, lists and dictionaries of settings, and hooks.
    Hooks already registered on the original are inherited, as with `copy.deepcopy` (weight normalization and
    pruning are hooks); hooks registered later fire for one of the two only.
    """
    return _share(module, {})


def _share(module: Module, done: dict[int, nn.Module]) -> Module:
    if id(module) in done:
        return cast("Module", done[id(module)])  # the copy of this very module
    shared = done[id(module)] = copy.copy(module)
    own = vars(shared)
    own |= {name: copy.copy(value) for name, value in own.items() if isinstance(value, dict | list | set)}
    for name, child in shared._modules.items():
        shared._modules[name] = None if child is None else _share(child, done)
    return shared
