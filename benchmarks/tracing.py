"""Overhead of tracing (patterns and CLS features) relative to inference."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from benchmarks.models import REDUCED, Setting, speedup
from benchmarks.row import Goal, Row, Scale

_GOAL = Goal("<=", 1.05)


def measure(scale: Scale) -> Iterator[Row]:
    """float32, r = 0.7: time of a traced pass relative to a plain one."""
    setting = Setting.of(scale)
    images = setting.images()
    for method in REDUCED:
        model = setting.reduced(method, "0.70")
        with torch.inference_mode():
            plain, traced = (lambda model=model: model(images)), (lambda model=model: model.trace(images))
            found = speedup(plain, traced, setting.repeats)
        yield Row(f"{method}, r = 0.70", found, "x", _GOAL, "traced over plain")
