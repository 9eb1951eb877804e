"""Pairs of feature sets, as the metrics of features take them."""

from __future__ import annotations

from numpy.typing import NDArray

from tokred.metrics.covariance import Covariances, RunningCovariance


def covariances(a: NDArray, b: NDArray) -> Covariances:
    """Covariances of two sets of features, (n, d_a) and (n, d_b), in two batches."""
    running, half = RunningCovariance([("a", "b")]), len(a) // 2
    running.update({"a": a[:half], "b": b[:half]})
    running.update({"a": a[half:], "b": b[half:]})
    return running.covariances("a", "b")
