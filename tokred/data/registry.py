"""The registry of data set adapters. An adapter is one file and one line here.

This module does not load images, so that configurations are checked at no cost.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tokred.data import options as opt
from tokred.names import lookup
from tokred.validation import parse


@dataclass(frozen=True)
class Adapter:
    """Facts about an adapter that are known without importing its code.

    Attributes:
        name: key in configurations.
        label: name of the data set in figures and tables; None for adapters of any data set, which has its
            own.
        target: "module:function" of `(split, options) -> (TableInfo, rows)`, where rows are an iterator, or a
            `RowSource` of images among a user's files.
        options: model of its options, with defaults.
        size: height and width of generated images; None for adapters of a user's files.
    """

    name: str
    label: str | None
    target: str
    options: type[opt.AdapterOptions]
    size: int | None = None

    @property
    def code(self) -> tuple[str, ...]:
        """The code of the adapter, as "module:name": its function and its options."""
        return (self.target, f"{self.options.__module__}:{self.options.__name__}")

    def load(self) -> Callable[..., Any]:
        """The function that reads the data set."""
        module, _, name = self.target.partition(":")
        return getattr(importlib.import_module(module), name)

    def check_options(self, values: Mapping[str, object]) -> opt.AdapterOptions:
        """The adapter's validated options; ValueError for an unknown name or a wrong value."""
        return parse(self.options, values, f"options of adapter {self.name!r}")


_ALL = [
    Adapter("digits", "Digits", "tokred.data.adapters.digits:rows", opt.SyntheticOptions, size=30),
    Adapter("scenes", "Scenes", "tokred.data.adapters.scenes:rows", opt.SyntheticOptions, size=30),
    Adapter("imagenet", "ImageNet", "tokred.data.adapters.imagenet:rows", opt.ImageNetOptions),
    Adapter("nabirds", "NABirds", "tokred.data.adapters.nabirds:rows", opt.NABirdsOptions),
    Adapter("coco", "COCO", "tokred.data.adapters.coco:rows", opt.COCOOptions),
    Adapter("nuswide", "NUS-WIDE", "tokred.data.adapters.nuswide:rows", opt.NUSWideOptions),
    Adapter("image_folder", None, "tokred.data.adapters.image_folder:rows", opt.ImageFolderOptions),
    Adapter("huggingface", None, "tokred.data.adapters.huggingface:rows", opt.HuggingFaceOptions),
]

#: Every adapter by name.
ADAPTERS: dict[str, Adapter] = {adapter.name: adapter for adapter in _ALL}


def get(name: str) -> Adapter:
    """The adapter of that name; ValueError with the nearest known name otherwise."""
    return lookup("data set adapter", name, ADAPTERS)
