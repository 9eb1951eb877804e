"""Throughput of the methods since the paper, as a fraction of the ideal by multiply-accumulates."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.inference import against_ideal
from benchmarks.models import REDUCED
from benchmarks.row import Row, Scale
from tokred.methods.registry import PAPER


def measure(scale: Scale) -> Iterator[Row]:
    """float32, r = 0.5 and 0.7."""
    yield from against_ideal(scale, [name for name in REDUCED if name not in PAPER], ("0.50", "0.70"))
