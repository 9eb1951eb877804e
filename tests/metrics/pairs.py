"""Pairs of feature sets, as the metrics of features take them."""

from __future__ import annotations

from numpy.typing import NDArray

from tokred.metrics.moments import Moments, RunningMoments


def moments(a: NDArray, b: NDArray) -> Moments:
    """Moments of two sets of features, (n, d_a) and (n, d_b), in two batches."""
    running, half = RunningMoments([("a", "b")]), len(a) // 2
    running.update({"a": a[:half], "b": b[:half]})
    running.update({"a": a[half:], "b": b[half:]})
    return running.moments("a", "b")
