"""Modules that hold the same parameters as others, and nothing else of theirs."""

from __future__ import annotations

import copy

from torch import nn


def share_parameters(module: nn.Module) -> nn.Module:
    """A copy of a module whose parameters and buffers are those of the original, not copies.

    Everything else belongs to one of the two alone: submodules, training mode, lists and dictionaries of
    settings, and hooks. Hooks that the original has already are inherited, as with `copy.deepcopy` (weight
    normalization and pruning are hooks); those registered later fire for one of them only.
    """
    return _share(module, {})


def _share(module: nn.Module, done: dict[int, nn.Module]) -> nn.Module:
    if id(module) in done:
        return done[id(module)]
    shared = done[id(module)] = copy.copy(module)
    own = vars(shared)
    own |= {name: copy.copy(value) for name, value in own.items() if isinstance(value, dict | list | set)}
    for name, child in shared._modules.items():
        shared._modules[name] = None if child is None else _share(child, done)
    return shared
