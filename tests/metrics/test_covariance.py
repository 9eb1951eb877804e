"""Moments batch by batch equal those of all images at once."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.metrics.pairs import covariances
from tokred.metrics.covariance import RunningCovariance
from tokred.metrics.registry import METRICS


def feed(batch: int, anchor: NDArray, **others: NDArray) -> RunningCovariance:
    models = {"anchor": anchor, **others}
    running = RunningCovariance(("anchor", name) for name in others)
    for start in range(0, len(anchor), batch):
        running.update({name: features[start : start + batch] for name, features in models.items()})
    return running


def features(rng: np.random.Generator, offset: float, width: int) -> NDArray:
    return (rng.normal(size=(250, width)) @ rng.normal(size=(width, width)) + offset).astype(np.float32)


def normalized(features: NDArray) -> NDArray:
    """Features centered over images, of Frobenius norm 1."""
    centered = features.astype(np.float64)
    centered -= centered.mean(axis=0)
    return centered / np.linalg.norm(centered)


@pytest.mark.parametrize("batch", [1, 7, 100, 250])
@pytest.mark.parametrize("offset", [0, 1000])
def test_batches_equal_all_at_once(batch: int, offset: float, rng: np.random.Generator) -> None:
    """Features far from zero, too, where sums of squares would cancel."""
    anchor, others = (
        features(rng, offset, 9),
        {"same": features(rng, -offset, 9), "wider": features(rng, 3, 14)},
    )
    running = feed(batch, anchor, **others)
    for name, other in others.items():
        found, a, b = running.covariances("anchor", name), normalized(anchor), normalized(other)
        assert found.n == 250
        np.testing.assert_allclose(found.a.matrix, a.T @ a, atol=1e-13)
        np.testing.assert_allclose(found.b.matrix, b.T @ b, atol=1e-13)
        np.testing.assert_allclose(found.cross, a.T @ b, atol=1e-13)


def test_one_bad_model_costs_no_other(rng: np.random.Generator) -> None:
    anchor, good = features(rng, 0, 5), features(rng, 0, 5)
    diverged = good.copy()
    diverged[17, 2] = np.inf
    running = feed(60, anchor, good=good, collapsed=np.full_like(good, 0.1), diverged=diverged)
    for metric in (metric for metric in METRICS.values() if metric.kind == "features"):
        value, _ = metric.load()(running.covariances("anchor", "good"))
        assert value == pytest.approx(metric.load()(covariances(anchor, good))[0], abs=1e-9)
        assert np.isnan(metric.load()(running.covariances("anchor", "collapsed"))[0])
        assert np.isnan(metric.load()(running.covariances("anchor", "diverged"))[0])


def test_an_empty_batch_changes_nothing(rng: np.random.Generator) -> None:
    anchor, other = features(rng, 0, 5), features(rng, 0, 5)
    running = feed(250, anchor, model=other)
    before = running.covariances("anchor", "model")
    running.update({"anchor": anchor[:0], "model": other[:0]})
    np.testing.assert_array_equal(running.covariances("anchor", "model").cross, before.cross)


def test_errors(rng: np.random.Generator) -> None:
    anchor, other = features(rng, 0, 5), features(rng, 0, 5)
    running = feed(250, anchor, model=other)
    with pytest.raises(ValueError, match="model: features of 249 images, expected 250"):
        running.update({"anchor": anchor, "model": other[1:]})
    with pytest.raises(ValueError, match=r"features of \['anchor', 'x'\]: expected \['anchor', 'model'\]"):
        running.update({"anchor": anchor, "x": other})
    with pytest.raises(
        ValueError, match=r"no features of 'anchor' and 'x': expected one of \[\('anchor', 'model'\)\]"
    ):
        running.covariances("anchor", "x")
