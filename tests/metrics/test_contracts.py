"""What every registered metric promises: range, symmetry, identity, independence of the batch."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys

import numpy as np
import pytest

import tokred.metrics
import tokred.statistics
from tests.metrics.pairs import covariances
from tokred.metrics.clusterings import entropies
from tokred.metrics.registry import METRICS, Metric

#: Kinds of metrics with a value an image.
OF_IMAGES = ("sets", "objects", "clusterings")


def draw(kind: str, rng: np.random.Generator) -> object:
    if kind in ("sets", "objects"):
        return rng.random((30, 64)) < 0.5
    if kind == "clusterings":
        return rng.integers(0, rng.integers(2, 30), (30, 64))
    if kind == "maps":
        return rng.uniform(0, 12, 64)
    return rng.normal(size=(50, 8)) @ rng.normal(size=(8, 8))


def apply(metric: Metric, a: object, b: object) -> np.ndarray:
    function = metric.load()
    if metric.kind == "maps":
        return np.atleast_1d(function(a, b, (8, 8)))
    if metric.kind == "features":
        return np.atleast_1d(function(covariances(a, b))[0])
    if metric.kind == "clusterings":
        return function(entropies(a, b))
    return function(a, b)


@pytest.mark.parametrize("name", METRICS)
def test_contract(name: str, rng: np.random.Generator) -> None:
    metric = METRICS[name]
    low = -np.inf if metric.low is None else metric.low
    high = np.inf if metric.high is None else metric.high
    asymmetric = []
    for _ in range(10):
        a, b = draw(metric.kind, rng), draw(metric.kind, rng)
        value, swapped, same = apply(metric, a, b), apply(metric, b, a), apply(metric, a, a)
        assert value.dtype == np.float64
        assert value.shape == ((30,) if metric.kind in OF_IMAGES else (1,))
        for values in (value, swapped, same):
            assert ((low <= values) & (values <= high)).all()
        best = 0.0 if not metric.larger_is_similar else high
        np.testing.assert_allclose(same, best, atol=1e-9)
        asymmetric.append(not np.allclose(value, swapped, atol=1e-9))
    assert any(asymmetric) != metric.symmetric


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.kind in OF_IMAGES])
def test_batch_equals_one_by_one(name: str, rng: np.random.Generator) -> None:
    metric = METRICS[name]
    a, b = draw(metric.kind, rng), draw(metric.kind, rng)
    single = [apply(metric, a[i : i + 1], b[i : i + 1])[0] for i in range(len(a))]
    np.testing.assert_allclose(apply(metric, a, b), single, atol=1e-12)


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.kind in OF_IMAGES])
def test_no_images(name: str) -> None:
    nothing = np.zeros((0, 64), dtype=int if METRICS[name].kind == "clusterings" else bool)
    assert apply(METRICS[name], nothing, nothing).shape == (0,)


def test_metrics_leave_torch_alone() -> None:
    """Neither loading all metrics nor the first EMD, whose library would like torch, imports it."""
    program = """
import sys
import numpy as np
from tokred.metrics.registry import METRICS
for metric in METRICS.values():
    metric.load()
assert not {"scipy.stats", "sklearn", "ot"} & set(sys.modules)
METRICS["emd"].load()(np.ones(4), np.ones(4), (2, 2))
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_examples() -> None:
    names = [
        f"{package.__name__}.{module.name}"
        for package in (tokred.metrics, tokred.statistics)
        for module in pkgutil.iter_modules(package.__path__)
    ]
    results = [doctest.testmod(importlib.import_module(name)) for name in names]
    assert sum(result.failed for result in results) == 0
    assert sum(result.attempted for result in results) >= 15


@pytest.mark.parametrize("name", METRICS)
def test_metrics_of_sets_and_objects_alone_have_an_expected_value(
    name: str, rng: np.random.Generator
) -> None:
    """It is the mean over shuffled tokens; clusterings are permuted instead, maps and features have none."""
    metric = METRICS[name]
    if metric.kind not in ("sets", "objects"):
        with pytest.raises(ValueError, match=f"metric '{name}' has no function of its expected value"):
            metric.load_expected()
        return
    a, b = rng.random((2, 5000, 64)) < rng.uniform(0.2, 1, (2, 5000, 1))
    difference = metric.load()(rng.permuted(a, axis=1), b) - metric.load_expected()(a, b)
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(len(difference))
    assert 0 < metric.load_expected()(a, b).mean() < 1
