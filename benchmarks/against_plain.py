"""Throughput against plain implementations that compute the same logits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from benchmarks.models import LOCATIONS, REDUCED, Setting, speedup
from benchmarks.plain import looping, masked, plainly
from benchmarks.row import Goal, Row, Scale
from tokred.methods.registry import METHODS, Family

_GOALS = {"kmedoids": 1.3}
#: Largest difference of logits, for float32 sums in another order.
_TOLERANCE = 2e-3


def plain(setting: Setting, method: str, images: Tensor) -> tuple[Callable[[], Tensor], str]:
    """A plain implementation of the same logits, and a description of it."""
    model = setting.reduced(method, "0.70")
    if METHODS[method].family is Family.FIXED:
        with torch.inference_mode():
            _, trace = model.trace(images)
        kept = [stage.assign >= 0 for stage in trace.stages]
        vit = setting.unreduced()
        return (lambda: masked(vit, images, kept, LOCATIONS)), "masks, attention by hand"
    if method == "kmedoids":
        slow = looping(model)
        return (lambda: plainly(slow, images)), "loops over clusters, attention and gathering by hand"
    return (lambda: plainly(model, images)), "attention and gathering by hand"


def measure(scale: Scale) -> Iterator[Row]:
    """float32, r = 0.7.

    Raises AssertionError where the two do not compute the same logits.
    """
    setting = Setting.of(scale)
    images = setting.images()
    for method in REDUCED:
        model = setting.reduced(method, "0.70")
        theirs, description = plain(setting, method, images)
        with torch.inference_mode():
            torch.testing.assert_close(model(images), theirs(), rtol=0, atol=_TOLERANCE)
            found = speedup(lambda model=model: model(images), theirs, setting.repeats)
        fixed = METHODS[method].family is Family.FIXED
        goal = Goal(">=", 1.4 if fixed else _GOALS.get(method, 1.1))
        yield Row(f"{method}, r = 0.70", found, "x", goal, description)
