"""Moments batch by batch: an anchor's features against those of many models, never all images in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tokred.metrics.moments import Moments, double, usable_norm


@dataclass
class _Sums:
    """What is known of one model's features: (d,) mean, (d, d) centred products, largest absolute value."""

    mean: NDArray
    products: NDArray
    largest: float = 0.0


class MomentStream:
    """Second moments of an anchor and of many models over the same images.

    Means and products are merged batch by batch as in Chan, Golub & LeVeque (1983), in double precision:
    nothing cancels, however far features lie from zero. Every model's own products are summed up once, and
    those with the anchor once. Batches of at least d images make the most of each (d, d) update.

    >>> stream = MomentStream()
    >>> stream.update(np.array([[0.0], [2.0]]), {"model": np.array([[5.0], [3.0]])})
    >>> stream.update(np.array([[1.0]]), {"model": np.array([[4.0]])})
    >>> stream.moments("model").ab.round(12)
    array([[-1.]])
    """

    def __init__(self) -> None:
        self._n = 0
        self._anchor: _Sums | None = None
        self._others: dict[str, _Sums] = {}
        self._shared: dict[str, NDArray] = {}

    def update(self, anchor: NDArray, others: Mapping[str, NDArray]) -> None:
        """Add a batch of m images: (m, d_a) features of the anchor, (m, d_b) of every other model by name.

        Raises:
            ValueError: different numbers of images, or other models than before.
        """
        for name, features in others.items():
            if len(features) != len(anchor):
                raise ValueError(f"{name}: features of {len(features)} images, expected {len(anchor)}")
        if self._anchor is None:
            self._start(anchor.shape[1], {name: features.shape[1] for name, features in others.items()})
        if set(others) != set(self._others):
            raise ValueError(f"features of {sorted(others)}: expected {sorted(self._others)} as before")
        if not len(anchor):
            return
        total = self._n + len(anchor)
        weight = self._n * len(anchor) / total
        centered, shift = self._merge(self._anchor, anchor, total, weight)
        for name, features in others.items():
            other, other_shift = self._merge(self._others[name], features, total, weight)
            self._shared[name] += centered.T @ other + weight * np.outer(shift, other_shift)
        self._n = total

    def moments(self, name: str) -> Moments:
        """Moments of the anchor (A) and of one other model (B) over all images so far.

        Raises ValueError for a model without features.
        """
        if name not in self._others:
            raise ValueError(f"no features of {name!r}: expected one of {sorted(self._others)}")
        norm_a, norm_b = self._norm(self._anchor), self._norm(self._others[name])
        return Moments(
            aa=self._anchor.products / norm_a**2,
            bb=self._others[name].products / norm_b**2,
            ab=self._shared[name] / (norm_a * norm_b),
            n=self._n,
        )

    def _start(self, width: int, widths: Mapping[str, int]) -> None:
        self._anchor = _Sums(np.zeros(width), np.zeros((width, width)))
        self._others = {name: _Sums(np.zeros(d), np.zeros((d, d))) for name, d in widths.items()}
        self._shared = {name: np.zeros((width, d)) for name, d in widths.items()}

    @staticmethod
    def _merge(sums: _Sums, features: NDArray, total: int, weight: float) -> tuple[NDArray, NDArray]:
        """Add a batch to a model's sums; the batch centred on its own mean, and that mean's shift."""
        features = double(features)
        mean = features.mean(axis=0)
        centered, shift = features - mean, mean - sums.mean
        sums.products += centered.T @ centered + weight * np.outer(shift, shift)
        sums.mean = sums.mean + shift * (len(features) / total)
        sums.largest = max(sums.largest, float(np.abs(features).max()))
        return centered, shift

    def _norm(self, sums: _Sums) -> float:
        return usable_norm(np.sqrt(np.trace(sums.products)), sums.largest, self._n * len(sums.mean))
