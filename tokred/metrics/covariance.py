"""Covariances and cross-covariances of CLS features, from which all metrics of features are computed.

The features are (n, d), one row per image. They are centered over images and divided by their Frobenius norm
(paper section 5.5, after Ding et al. 2021); in the metrics' formulas A is the transpose, (d, n). Covariances
are accumulated over batches, so that never all images are in memory. They are not divided by n: features of
Frobenius norm 1 have a covariance matrix of trace 1.
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
#: Below this part of the norm that features of the largest value would have, a norm of centered features is
#: only rounding error of the mean in double precision.
_NO_SPREAD = 1e-12


@dataclass(frozen=True, eq=False)
class FeatureCovariance:
    """Covariance of one model's normalized features X.

    Attributes:
        norm: Frobenius norm of the centered features, by which they were divided; NaN for degenerate ones.
        matrix: (d, d) X X^T.
    """

    norm: float
    matrix: NDArray[Any]

    @cached_property
    def whitening(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Whitening of X within its r non-null directions; computed once, however many pairs a model is in.

        (d, r) matrix W with W^T (X X^T) W = 1, and the (r, d) matrix W^T X X^T.
        """
        values, vectors = np.linalg.eigh(self.matrix)
        non_null = values > _NULL * values[-1]
        roots = np.sqrt(values[non_null])
        return vectors[:, non_null] / roots, (vectors[:, non_null] * roots).T


@dataclass(frozen=True, eq=False)  # hashed by identity, so that canonical correlations can be cached
class Covariances:
    """Covariances and cross-covariance of the normalized features A and B of two models.

    Attributes:
        a, b: covariance of each model's features.
        cross: (d_a, d_b) cross-covariance A B^T.
        n: number of images.
    """

    a: FeatureCovariance
    b: FeatureCovariance
    cross: NDArray[Any]
    n: int

    @property
    def valid(self) -> bool:
        """Whether both models' features can be normalized: not where they are degenerate.

        Degenerate features are the same for all images, or not finite. They give NaN for their own pairs,
        and leave other pairs as they are.
        """
        return bool(np.isfinite(self.cross).all())


class RunningCovariance:
    """Covariances of pairs of models, accumulated over batches of the same images.

    Means and covariances are updated by the pairwise algorithm of Chan, Golub & LeVeque (1983), in double
    precision: there is no cancellation, however far features are from zero. Every model's own covariance is
    accumulated once, however many pairs it is in. Each update costs a (d, d) matrix, so batches should have
    at least d images.

    Args:
        pairs: names of the first and the second model of each pair.

    >>> running = RunningCovariance([("one", "other")])
    >>> running.update({"one": np.array([[0.0], [2.0]]), "other": np.array([[5.0], [3.0]])})
    >>> running.update({"one": np.array([[1.0]]), "other": np.array([[4.0]])})
    >>> running.covariances("one", "other").cross.round(12)
    array([[-1.]])
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._n = 0
        self._pairs = list(pairs)
        self._names = list(dict.fromkeys(name for pair in self._pairs for name in pair))
        self._sums: dict[str, _Sums] = {}
        self._cross: dict[tuple[str, str], NDArray[Any]] = {}
        self._of_models: dict[str, FeatureCovariance] = {}

    def update(self, features: Mapping[str, NDArray[Any]]) -> None:
        """Add a batch of m images.

        Args:
            features: (m, d) features of every model by its name; d may differ between models.

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
            self._cross[first, second] += a.T @ b + weight * np.outer(shift_a, shift_b)
        self._n = total
        self._of_models = {}

    def covariances(self, first: str, second: str) -> Covariances:
        """Covariances of a pair of models, A and B, over all images so far.

        Raises ValueError for a pair without features.
        """
        if (first, second) not in self._cross:
            raise ValueError(f"no features of {first!r} and {second!r}: expected one of {self._pairs}")
        a, b = self._covariance_of(first), self._covariance_of(second)
        cross = self._cross[first, second] / (a.norm * b.norm)
        return Covariances(a, b, cross, self._n)

    def _start(self, widths: Mapping[str, int]) -> None:
        self._sums = {name: _Sums(np.zeros(d), np.zeros((d, d))) for name, d in widths.items()}
        self._cross = {pair: np.zeros((widths[pair[0]], widths[pair[1]])) for pair in self._pairs}

    @staticmethod
    def _merge(
        sums: _Sums, features: NDArray[Any], total: int, weight: float
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Add a batch to a model's sums.

        Returns:
            The batch centered on its own mean, and the difference of this mean from that of earlier batches.
        """
        features = _double(features)
        mean = features.mean(axis=0)
        centered, shift = features - mean, mean - sums.mean
        sums.matrix += centered.T @ centered + weight * np.outer(shift, shift)
        sums.mean = sums.mean + shift * (len(features) / total)
        sums.largest = max(sums.largest, float(np.abs(features).max()))
        return centered, shift

    def _covariance_of(self, name: str) -> FeatureCovariance:
        """Covariance of a model, computed once for all its pairs."""
        if name not in self._of_models:
            sums = self._sums[name]
            norm = _norm_or_nan(np.sqrt(np.trace(sums.matrix)), sums.largest, self._n * len(sums.mean))
            self._of_models[name] = FeatureCovariance(norm, sums.matrix / norm**2)
        return self._of_models[name]


@dataclass
class _Sums:
    """Sums over one model's features so far.

    Attributes:
        mean: (d,).
        matrix: (d, d) covariance, not normalized.
        largest: largest absolute value.
    """

    mean: NDArray[Any]
    matrix: NDArray[Any]
    largest: float = 0.0


def _double(features: NDArray[Any]) -> NDArray[Any]:
    """A float64 copy of features, with NaN for infinity, which would warn where NaN passes through."""
    copy = features.astype(np.float64)
    copy[~np.isfinite(copy)] = np.nan
    return copy


def _norm_or_nan(norm: float, largest: float, size: int) -> float:
    """The norm of `size` centered values, or NaN if it is only rounding error of values up to `largest`."""
    return norm if norm > _NO_SPREAD * largest * np.sqrt(size) else np.nan
