"""tokred: token reduction in Vision Transformers, twenty methods under one protocol.

>>> import timm, tokred
>>> vit = timm.create_model("deit_tiny_patch16_224", pretrained=False)
>>> model = tokred.reduce(vit, "topk", keep_rate=0.7)
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"
__all__ = ["list_methods", "load", "reduce", "schedules"]


def __getattr__(name: str) -> object:
    # Lazy, as metrics and figures do not need torch.
    if name == "list_methods":
        return importlib.import_module("tokred.methods.registry").list_methods
    if name == "load":
        return importlib.import_module("tokred.tables.load").load
    if name == "reduce":
        return importlib.import_module("tokred.models.reduce").reduce
    if name == "schedules":
        return importlib.import_module("tokred.schedules")
    raise AttributeError(f"module 'tokred' has no attribute {name!r}")
