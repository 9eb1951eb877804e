"""Procrustes, CKA and PWCCA of one anchor against 13 models, against full singular value decompositions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.process import alone
from benchmarks.race import Contest, race_row
from benchmarks.row import Goal, Row, Scale
from benchmarks.study import runs, write_features
from tokred.comparison.features import accumulate_covariances
from tokred.comparison.runs import RunFile, open_runs
from tokred.metrics.registry import METRICS
from tokred.run import UNREDUCED
from tokred.tables.patterns import fixed_lists

_FASTER, _SMALLER = Goal(">=", 5), Goal("<=", 1.5)
_METRICS = [METRICS[name] for name in ("procrustes", "cka", "pwcca")]
#: The stage that is compared; all are alike.
_STAGE = 1


def write(scale: Scale) -> list[str]:
    """Features of the anchor, the unreduced model, and of the 13 methods at one keep rate."""
    images, width = scale.of(50_000, 200), scale.of(384, 12)
    return [write_features(scale.folder, run, images, width) for run in runs(("0.70",))]


def contest(paths: list[str]) -> Contest:
    """From files to values on both sides; the reference compares only the first model."""
    return Contest(lambda: streamed(paths), lambda: from_scratch(paths), unit="model")


def streamed(paths: list[str]) -> NDArray:
    """(models, 3) values of the metrics between the anchor and every model."""
    anchor, others = _opened(paths)
    running = accumulate_covariances([(anchor, other) for other in others], _STAGE)
    shared = [running.covariances(anchor.path, other.path) for other in others]
    return np.array([[metric.load()(pair)[0] for metric in _METRICS] for pair in shared])


def from_scratch(paths: list[str]) -> NDArray:
    """(1, 3) values of the metrics between the anchor and the first model, by the definitions."""
    anchor, others = _opened(paths)
    a, b = _normalized(anchor), _normalized(others[0])
    left_a, values_a, right_a = np.linalg.svd(a, full_matrices=False)
    left_b, values_b, _ = np.linalg.svd(b, full_matrices=False)
    shared = a.T @ b
    procrustes = 2 - 2 * np.linalg.svd(shared)[1].sum()
    squares_a, squares_b = np.linalg.norm(values_a**2), np.linalg.norm(values_b**2)
    cka = 1 - np.linalg.norm(shared) ** 2 / (squares_a * squares_b)
    turn, correlations, _ = np.linalg.svd(left_a.T @ left_b)
    weights = np.abs(turn.T @ (values_a[:, None] * right_a)).sum(axis=1)
    return np.array([[procrustes, cka, 1 - weights @ correlations / weights.sum()]])


def measure(scale: Scale) -> Iterator[Row]:
    """One core; peak memory is measured in a separate process."""
    paths = write(scale)
    yield race_row("one anchor against 13 models, d = 384", contest(paths), scale.of(3, 1), _FASTER)
    peak = alone(streamed, paths).peak
    yield Row("peak of memory, 50,000 images", peak / 1e9, "GB", _SMALLER, "features are read in batches")


def _opened(paths: list[str]) -> tuple[RunFile, list[RunFile]]:
    files = open_runs(paths)
    (anchor,) = (file for file in files if file.run.method == UNREDUCED)
    return anchor, [file for file in files if file is not anchor]


def _normalized(file: RunFile) -> NDArray:
    name = f"cls_{_STAGE}"
    features = fixed_lists(pq.read_table(file.path, columns=[name]), name).astype(np.float64)
    features -= features.mean(axis=0)
    return features / np.linalg.norm(features)
