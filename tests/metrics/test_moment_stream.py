"""Moments batch by batch equal those of all images at once."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tokred.metrics.moment_stream import MomentStream
from tokred.metrics.moments import moments, normalize
from tokred.metrics.registry import METRICS

RNG = np.random.default_rng(4)


def feed(batch: int, anchor: NDArray, **others: NDArray) -> MomentStream:
    models = {"anchor": anchor, **others}
    stream = MomentStream(("anchor", name) for name in others)
    for start in range(0, len(anchor), batch):
        stream.update({name: features[start : start + batch] for name, features in models.items()})
    return stream


def features(offset: float, width: int) -> NDArray:
    return (RNG.normal(size=(250, width)) @ RNG.normal(size=(width, width)) + offset).astype(np.float32)


@pytest.mark.parametrize("batch", [1, 7, 100, 250])
@pytest.mark.parametrize("offset", [0, 1000])
def test_batches_equal_all_at_once(batch: int, offset: float) -> None:
    """Features far from zero, too, where sums of squares would cancel."""
    anchor, others = features(offset, 9), {"same": features(-offset, 9), "wider": features(3, 14)}
    stream = feed(batch, anchor, **others)
    for name, other in others.items():
        found, expected = stream.moments("anchor", name), moments(normalize(anchor), normalize(other))
        assert found.n == expected.n == 250
        for part in ("aa", "bb", "ab"):
            np.testing.assert_allclose(getattr(found, part), getattr(expected, part), atol=1e-13)


def test_one_bad_model_costs_no_other() -> None:
    anchor, good = features(0, 5), features(0, 5)
    diverged = good.copy()
    diverged[17, 2] = np.inf
    stream = feed(60, anchor, good=good, collapsed=np.full_like(good, 0.1), diverged=diverged)
    for metric in (metric for metric in METRICS.values() if metric.kind == "features"):
        value, _ = metric.load()(stream.moments("anchor", "good"))
        assert value == pytest.approx(metric.load()(moments(normalize(anchor), normalize(good)))[0], abs=1e-9)
        assert np.isnan(metric.load()(stream.moments("anchor", "collapsed"))[0])
        assert np.isnan(metric.load()(stream.moments("anchor", "diverged"))[0])


def test_an_empty_batch_changes_nothing() -> None:
    anchor, other = features(0, 5), features(0, 5)
    stream = feed(250, anchor, model=other)
    before = stream.moments("anchor", "model")
    stream.update({"anchor": anchor[:0], "model": other[:0]})
    np.testing.assert_array_equal(stream.moments("anchor", "model").ab, before.ab)


def test_errors() -> None:
    anchor, other = features(0, 5), features(0, 5)
    stream = feed(250, anchor, model=other)
    with pytest.raises(ValueError, match="model: features of 249 images, expected 250"):
        stream.update({"anchor": anchor, "model": other[1:]})
    with pytest.raises(ValueError, match=r"features of \['anchor', 'x'\]: expected \['anchor', 'model'\]"):
        stream.update({"anchor": anchor, "x": other})
    with pytest.raises(
        ValueError, match=r"no features of 'anchor' and 'x': expected one of \[\('anchor', 'model'\)\]"
    ):
        stream.moments("anchor", "x")
