"""Agglomerative clustering of tokens: its share of a forward pass, and its implementations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import get_args
from unittest import mock

import torch
from torch import Tensor

from benchmarks.models import Setting, speedup
from benchmarks.race import Contest, race_row
from benchmarks.row import Goal, Row, Scale
from tokred.methods import atc
from tokred.methods.linkage import Linkage, by_forest, in_rounds, in_steps, one_by_one

_SHARE = Goal("<=", 8)
_RATE = "0.50"


def features_of_stages(model: torch.nn.Module, images: Tensor) -> list[tuple[Tensor, int]]:
    """What each stage clusters, and the number of clusters."""
    metrics: list[Tensor] = []

    def recorded(metric: Tensor) -> Tensor:
        metrics.append(metric.clone())
        return distance(metric)

    distance = atc.cosine_distance
    with mock.patch.object(atc, "cosine_distance", recorded):
        model(images)
    return [(metric, reducer.stage.budget) for metric, reducer in zip(metrics, model.reducers, strict=True)]


def clustering(stages: list[tuple[Tensor, int]], linkage: Linkage) -> Callable[[], None]:
    """The clustering of all stages, distances included."""

    def run() -> None:
        for metric, num_clusters in stages:
            atc.cluster(atc.cosine_distance(metric), num_clusters, linkage)

    return run


def measure(scale: Scale) -> Iterator[Row]:
    """float32, r = 0.5, with each linkage; and batched tensors, as on a GPU, against each other and SciPy.

    Raises AssertionError where two implementations find different clusters.
    """
    setting = Setting.of(scale)
    model, images = setting.reduced("atc", _RATE), setting.images()
    with torch.inference_mode():
        stages = features_of_stages(model, images)
        for linkage in get_args(Linkage):
            ratio = speedup(clustering(stages, linkage), partial(model, images), setting.repeats)
            note = "distances and clusters of all stages, of the reduced model's pass"
            yield Row(f"{linkage} linkage, r = {_RATE}", 100 / ratio, "% of a pass", _SHARE, note)
        metric, num_clusters = stages[0]
        arguments = atc.cosine_distance(metric), num_clusters
        scipy, rounds, steps = (
            partial(function, *arguments, "average") for function in (one_by_one, in_rounds, in_steps)
        )
        contests = {
            "SciPy against rounds": Contest(scipy, rounds),
            "rounds against steps": Contest(rounds, steps),
            "single linkage, SciPy against batched tensors": Contest(
                partial(one_by_one, *arguments, "single"), partial(by_forest, *arguments)
            ),
        }
        for name, contest in contests.items():
            case = f"{num_clusters} clusters of {metric.shape[1]} tokens, {name}"
            yield race_row(case, contest, scale.of(3, 1), None)
