"""Second moments of two feature sets: all that the metrics of CLS features need.

The features are (n, d), an image a row. They are centred over images and divided by their Frobenius norm
(paper section 5.5, after Ding et al. 2021); in the metrics' formulas A is the transpose, (d, n).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Eigenvalues of A A^T below this part of the largest are null directions: features are stored in single
#: precision, whose rounding leaves singular values of some 1e-7 of the largest, and eigenvalues are squares.
NULL = 1e-12
#: Norm of centred features, as part of that of equal features of the largest value, which is but rounding of
#: the mean in double precision.
NO_SPREAD = 1e-12


def whitening(aa: NDArray) -> tuple[NDArray, NDArray]:
    """Directions of A that are not null.

    Returns:
        (d, r) matrix W with W^T (A A^T) W = 1, and (r, d) matrix with the rows <h_i, a_j> of W^T A A^T.
    """
    values, vectors = np.linalg.eigh(aa)
    alive = values > NULL * values[-1]
    roots = np.sqrt(values[alive])
    return vectors[:, alive] / roots, (vectors[:, alive] * roots).T


@dataclass(frozen=True, eq=False)  # hashed by identity, so that what is derived of it can be cached
class Moments:
    """Second moments of normalised features.

    Attributes:
        aa: (d_a, d_a) A A^T.
        bb: (d_b, d_b) B B^T.
        ab: (d_a, d_b) A B^T.
        n: number of images.
        directions: what finds the directions of `aa` and `bb` that are not null; many pairs may share one
            that remembers those of each model.
    """

    aa: NDArray
    bb: NDArray
    ab: NDArray
    n: int
    directions: Callable[[NDArray], tuple[NDArray, NDArray]] = whitening

    @property
    def valid(self) -> bool:
        """False where a feature set is the same for all images or not finite, and cannot be normalised."""
        return bool(np.isfinite(self.ab).all())


def normalize(features: NDArray) -> NDArray:
    """(n, d) float64 features centred over images, of Frobenius norm 1.

    All NaN where all images are alike or a feature is not finite: one model that collapsed or diverged must
    not cost a study its other comparisons.
    """
    centered = double(features)
    largest = max(centered.max(), -centered.min())
    centered -= centered.mean(axis=0)  # in place, as there may be hundreds of megabytes
    centered /= usable_norm(np.linalg.norm(centered), largest, centered.size)
    return centered


def double(features: NDArray) -> NDArray:
    """A float64 copy of features, with NaN for infinity, which would warn where NaN passes through."""
    copy = features.astype(np.float64)
    copy[~np.isfinite(copy)] = np.nan
    return copy


def usable_norm(norm: float, largest: float, size: int) -> float:
    """The norm of centred features, or NaN if it is but rounding at their number and largest value."""
    return norm if norm > NO_SPREAD * largest * np.sqrt(size) else np.nan


def moments(a: NDArray, b: NDArray) -> Moments:
    """Moments of two normalised feature sets of the same images.

    Raises ValueError for different numbers of images.
    """
    if len(a) != len(b):
        raise ValueError(f"features of {len(a)} and of {len(b)} images cannot be compared")
    return Moments(a.T @ a, b.T @ b, a.T @ b, len(a))
