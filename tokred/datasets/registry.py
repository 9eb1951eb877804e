"""The registry of data set adapters. An adapter is one file and one line here.

Nothing in this module loads images: configurations are checked where that must cost nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from tokred.datasets import options as opt
from tokred.methods.registry import nearest


@dataclass(frozen=True)
class Adapter:
    """What is known of a data set without loading it.

    Attributes:
        name: key in configurations.
        label: what figures and tables call it.
        target: "module:function" of `(split, options) -> (TableInfo, iterator of rows)`.
        options: frozen dataclass of its options, with defaults.
    """

    name: str
    label: str
    target: str
    options: type

    def load(self) -> Callable:
        """The function that reads the data set."""
        module, _, name = self.target.partition(":")
        return getattr(importlib.import_module(module), name)

    def check_options(self, given: Mapping[str, object]) -> object:
        """The options object for what a user gave; ValueError for an unknown name or a wrong value."""
        known = list(asdict(self.options()))
        for name in given:
            if name not in known:
                hint = nearest(name, known)
                raise ValueError(
                    f"data set {self.name!r} has no option {name!r}{hint}; it takes: {', '.join(known)}"
                )
        return self.options(**given)


_ALL = [
    Adapter("digits", "Digits", "tokred.datasets.digits:rows", opt.CountOptions),
    Adapter("scenes", "Scenes", "tokred.datasets.scenes:rows", opt.CountOptions),
]

#: Every adapter by name.
ADAPTERS: dict[str, Adapter] = {adapter.name: adapter for adapter in _ALL}


def get(name: str) -> Adapter:
    """The adapter of that name; ValueError with the nearest known name otherwise."""
    if name not in ADAPTERS:
        hint = nearest(name, list(ADAPTERS))
        raise ValueError(f"unknown data set adapter {name!r}{hint}; known: {', '.join(ADAPTERS)}")
    return ADAPTERS[name]
