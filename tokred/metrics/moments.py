"""Second moments of the CLS features of pairs of models: all that the metrics of features need.

The features are (n, d), an image a row. They are centered over images and divided by their Frobenius norm
(paper section 5.5, after Ding et al. 2021); in the metrics' formulas A is the transpose, (d, n). Moments are
summed up batch by batch, so that never all images are in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Eigenvalues of X X^T below this part of the largest are null directions: features are stored in single
#: precision, whose rounding leaves singular values of some 1e-7 of the largest, and eigenvalues are squares.
_NULL = 1e-12
#: Norm of centered features that is only rounding of the mean in double precision, as part of the norm of
#: features that all have the largest value.
_NO_SPREAD = 1e-12


@dataclass(frozen=True, eq=False)
class ModelMoments:
    """Second moments of one model's normalized features X.

    Attributes:
        norm: of the centered features before they were normalized; NaN where they cannot be.
        products: (d, d) X X^T.
    """

    norm: float
    products: NDArray[Any]

    @cached_property
    def directions(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """The directions of X that are not null, found once, however many pairs a model is in.

        (d, r) matrix W with W^T (X X^T) W = 1, and (r, d) matrix with the rows <h_i, x_j> of W^T X X^T.
        """
        values, vectors = np.linalg.eigh(self.products)
        non_null = values > _NULL * values[-1]
        roots = np.sqrt(values[non_null])
        return vectors[:, non_null] / roots, (vectors[:, non_null] * roots).T


@dataclass(frozen=True, eq=False)  # hashed by identity, so that what is derived of it can be cached
class Moments:
    """Second moments of the normalized features A and B of two models.

    Attributes:
        a, b: those of either model.
        ab: (d_a, d_b) A B^T.
        n: number of images.
    """

    a: ModelMoments
    b: ModelMoments
    ab: NDArray[Any]
    n: int

    @property
    def valid(self) -> bool:
        """False where a feature set is the same for all images or not finite, and cannot be normalized."""
        return bool(np.isfinite(self.ab).all())


class RunningMoments:
    """Second moments of pairs of models over the same images.

    Means and products are merged batch by batch as in Chan, Golub & LeVeque (1983), in double precision:
    nothing cancels, however far features lie from zero. Every model's own products are summed up once,
    however many pairs it is in. Batches of at least d images make the most of each (d, d) update.

    Args:
        pairs: names of the first and the second model of each pair.

    >>> running = RunningMoments([("one", "other")])
    >>> running.update({"one": np.array([[0.0], [2.0]]), "other": np.array([[5.0], [3.0]])})
    >>> running.update({"one": np.array([[1.0]]), "other": np.array([[4.0]])})
    >>> running.moments("one", "other").ab.round(12)
    array([[-1.]])
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._n = 0
        self._pairs = list(pairs)
        self._names = list(dict.fromkeys(name for pair in self._pairs for name in pair))
        self._sums: dict[str, _Sums] = {}
        self._shared: dict[tuple[str, str], NDArray[Any]] = {}
        self._own: dict[str, ModelMoments] = {}

    def update(self, features: Mapping[str, NDArray[Any]]) -> None:
        """Add a batch of m images: (m, d) features of every model by name, d the model's own.

        Raises:
            ValueError: different numbers of images, or other models than those of the pairs.
        """
        if set(features) != set(self._names):
            raise ValueError(f"features of {sorted(features)}: expected {sorted(self._names)}")
        size = len(features[self._names[0]]) if self._names else 0
        for name, batch in features.items():
            if len(batch) != size:
                raise ValueError(f"{name}: features of {len(batch)} images, expected {size}")
        if not self._sums:
            self._start({name: batch.shape[1] for name, batch in features.items()})
        if not size:
            return
        total = self._n + size
        weight = self._n * size / total
        merged = {name: self._merge(self._sums[name], features[name], total, weight) for name in self._names}
        for first, second in self._pairs:
            (a, shift_a), (b, shift_b) = merged[first], merged[second]
            self._shared[first, second] += a.T @ b + weight * np.outer(shift_a, shift_b)
        self._n = total
        self._own = {}

    def moments(self, first: str, second: str) -> Moments:
        """Moments of a pair of models, A and B, over all images so far.

        Raises ValueError for a pair without features.
        """
        if (first, second) not in self._shared:
            raise ValueError(f"no features of {first!r} and {second!r}: expected one of {self._pairs}")
        a, b = self._own_of(first), self._own_of(second)
        ab = self._shared[first, second] / (a.norm * b.norm)
        return Moments(a, b, ab, self._n)

    def _start(self, widths: Mapping[str, int]) -> None:
        self._sums = {name: _Sums(np.zeros(d), np.zeros((d, d))) for name, d in widths.items()}
        self._shared = {pair: np.zeros((widths[pair[0]], widths[pair[1]])) for pair in self._pairs}

    @staticmethod
    def _merge(
        sums: _Sums, features: NDArray[Any], total: int, weight: float
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Add a batch to a model's sums; the batch centered on its own mean, and that mean's shift."""
        features = _double(features)
        mean = features.mean(axis=0)
        centered, shift = features - mean, mean - sums.mean
        sums.products += centered.T @ centered + weight * np.outer(shift, shift)
        sums.mean = sums.mean + shift * (len(features) / total)
        sums.largest = max(sums.largest, float(np.abs(features).max()))
        return centered, shift

    def _own_of(self, name: str) -> ModelMoments:
        """What all pairs of a model need, found once."""
        if name not in self._own:
            sums = self._sums[name]
            norm = _norm_or_nan(np.sqrt(np.trace(sums.products)), sums.largest, self._n * len(sums.mean))
            self._own[name] = ModelMoments(norm, sums.products / norm**2)
        return self._own[name]


@dataclass
class _Sums:
    """What is known of one model's features: (d,) mean, (d, d) centered products, largest absolute value."""

    mean: NDArray[Any]
    products: NDArray[Any]
    largest: float = 0.0


def _double(features: NDArray[Any]) -> NDArray[Any]:
    """A float64 copy of features, with NaN for infinity, which would warn where NaN passes through."""
    copy = features.astype(np.float64)
    copy[~np.isfinite(copy)] = np.nan
    return copy


def _norm_or_nan(norm: float, largest: float, size: int) -> float:
    """The norm of centered features, or NaN if it is but rounding at their number and largest value."""
    return norm if norm > _NO_SPREAD * largest * np.sqrt(size) else np.nan
