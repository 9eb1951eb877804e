"""Throughput of reduced models, as a fraction of the ideal by multiply-accumulates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from benchmarks.models import Setting, speedup
from benchmarks.row import Goal, Row, Scale
from tokred.methods.registry import PAPER

#: Percent of the ideal; the reduction itself costs some methods more.
_GOALS = {"sinkhorn": 90, "ats": 90, "dpcknn": 90, "kmedoids": 80, "atc": 90}
_GOAL = 95


def measure(scale: Scale) -> Iterator[Row]:
    """The paper's methods in float32, r = 0.5 and 0.7."""
    yield from against_ideal(scale, PAPER, ("0.50", "0.70"))


def against_ideal(scale: Scale, methods: Sequence[str], keep_rates: Sequence[str]) -> Iterator[Row]:
    """Speed-up of each method at each keep rate, in percent of that of its multiply-accumulates."""
    setting = Setting.of(scale)
    images, unreduced = setting.images(), setting.unreduced()
    for keep_rate in keep_rates:
        for method in methods:
            model = setting.reduced(method, keep_rate)
            with torch.inference_mode():
                found = speedup(lambda model=model: model(images), lambda: unreduced(images), setting.repeats)
            ideal = setting.ideal(method, keep_rate)
            goal = Goal(">=", _GOALS.get(method, _GOAL))
            note = f"{found:.2f} of {ideal:.2f} x"
            yield Row(f"{method}, r = {keep_rate}", 100 * found / ideal, "% of ideal", goal, note)
