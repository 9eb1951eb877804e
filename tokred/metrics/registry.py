"""The registry of metrics: their arguments, their ranges, and the meaning of a larger value.

The metrics of a kind are in one module, which has its name, and share one signature:

- "sets": `(kept_a, kept_b)`, (n, P) booleans or `tokred.metrics.sets.PackedSets` -> (n,) float64, one value
  per image;
- "objects": `(pattern, objects)`, (n, P) kept tokens (booleans) or clusters, and (n, P) booleans, tokens that
  show the object -> (n,) float64, one value per image;
- "clusterings": `(entropies)`, the `tokred.metrics.clusterings.Entropies` of two clusterings -> (n,) float64;
- "maps": `(map_a, map_b, grid)`, (P,) floats and (rows, columns) -> float;
- "features": `(covariances)`, the `tokred.metrics.covariance.Covariances` of two models -> `(value,
  dropped)`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """The properties of a metric.

    Attributes:
        name: key in tables.
        label: name on axes.
        kind: "sets", "objects", "clusterings", "maps" or "features".
        symmetric: whether exchanging its arguments leaves the value as it is.
        low, high: its range, None where it is unbounded.
        larger_is_similar: whether it is a similarity rather than a distance.
        target: "module:function" below `tokred.metrics`.
        expected: "module:function" of its expected value for unrelated patterns of the same sizes, for "sets"
            and "objects"; None for other kinds (clusterings have
            `tokred.metrics.clusterings.Entropies.by_chance`).
    """

    name: str
    label: str
    kind: str
    symmetric: bool
    low: float | None
    high: float | None
    larger_is_similar: bool
    target: str
    expected: str | None = None

    @property
    def code(self) -> tuple[str, ...]:
        """The functions that compute the metric and its expected value, as "module:name"."""
        named = [value for value in vars(self).values() if isinstance(value, str) and ":" in value]
        return tuple(f"tokred.metrics.{target}" for target in named)

    def load(self) -> Callable[..., Any]:
        """The metric's function."""
        return _load(self.target)

    def load_expected(self) -> Callable[..., Any]:
        """The function of its expected value for unrelated patterns.

        Raises ValueError for a metric that has none.
        """
        if self.expected is None:
            raise ValueError(f"metric {self.name!r} has no function of its expected value")
        return _load(self.expected)


def _load(target: str) -> Callable[..., Any]:
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(f"tokred.metrics.{module}"), name)


_ALL = [
    Metric("ioa", "IoA", "sets", False, 0, 1, True, "sets:intersection_over_area", "sets:expected_ioa"),
    Metric("iou", "IoU", "sets", True, 0, 1, True, "sets:intersection_over_union", "sets:expected_iou"),
    Metric(
        "object_recall",
        "Object recall",
        "objects",
        False,
        0,
        1,
        True,
        "objects:object_recall",
        "objects:expected_recall",
    ),
    Metric(
        "object_purity",
        "Object purity",
        "objects",
        False,
        0,
        1,
        True,
        "objects:object_purity",
        "objects:expected_purity",
    ),
    Metric("homogeneity", "Homogeneity", "clusterings", False, 0, 1, True, "clusterings:homogeneity"),
    Metric("completeness", "Completeness", "clusterings", False, 0, 1, True, "clusterings:completeness"),
    Metric("nmi", "NMI", "clusterings", True, 0, 1, True, "clusterings:normalized_mutual_information"),
    Metric("pearson", "Pearson", "maps", True, -1, 1, True, "maps:pearson"),
    Metric("spearman", "Spearman", "maps", True, -1, 1, True, "maps:spearman"),
    Metric("jensen_shannon", "Jensen-Shannon", "maps", True, 0, 1, False, "maps:jensen_shannon"),
    Metric("emd", "EMD", "maps", True, 0, None, False, "maps:earth_movers_distance"),
    Metric("histogram", "Histogram", "maps", True, 0, 1, True, "maps:histogram_similarity"),
    Metric("procrustes", "Procrustes", "features", True, 0, 2, False, "features:procrustes"),
    Metric("cka", "CKA", "features", True, 0, 1, False, "features:cka"),
    Metric("pwcca", "PWCCA", "features", False, 0, 1, False, "features:pwcca"),
    Metric("cca", "CCA", "features", True, 0, 1, True, "features:mean_cca"),
    Metric("cca_squared", "CCA²", "features", True, 0, 1, True, "features:mean_squared_cca"),
]

#: Every metric by name.
METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
