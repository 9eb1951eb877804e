"""Homogeneity, Completeness and NMI of many images at once, against a loop over scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import homogeneity_completeness_v_measure

from benchmarks.race import Contest, race_row
from benchmarks.row import Goal, Row, Scale
from benchmarks.synthetic import clusters
from tokred.metrics.clusterings import entropies
from tokred.metrics.registry import METRICS

_GOAL = Goal(">=", 150)
#: Keep rates of two runs whose clusters at the first stage are compared: 98 and 49 clusters of 196 tokens.
_RATES = ("0.50", "0.25")

#: What scikit-learn's function returns, in its order.
_NAMES = ("homogeneity", "completeness", "nmi")


def contest(scale: Scale) -> Contest:
    """Labels with the stored type (int16); scikit-learn computes the same three metrics for a few images."""
    rng = np.random.default_rng(0)
    finer, coarser = (clusters(rng, scale.of(4096, 40), rate)[0] for rate in _RATES)
    few = scale.of(200, 10)

    def ours() -> NDArray:
        found = entropies(finer, coarser)
        return np.stack([METRICS[name].load()(found) for name in _NAMES], axis=1)

    def theirs() -> NDArray:
        pairs = zip(coarser[:few], finer[:few], strict=True)
        return np.array([homogeneity_completeness_v_measure(classes, found) for classes, found in pairs])

    return Contest(ours, theirs)


def measure(scale: Scale) -> Iterator[Row]:
    """One core; all three metrics on both sides."""
    yield race_row("98 against 49 clusters of 196 tokens", contest(scale), scale.of(9, 1), _GOAL)
