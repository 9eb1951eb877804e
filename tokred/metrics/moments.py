"""Second moments of two feature sets: all that the metrics of CLS features need.

The features are (n, d), an image a row. They are centred over images and divided by their Frobenius norm
(paper section 5.5, after Ding et al. 2021); in the metrics' formulas A is the transpose, (d, n).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Eigenvalues of A A^T below this part of the largest are null directions: features are stored in single
#: precision, whose rounding leaves singular values of some 1e-7 of the largest, and eigenvalues are squares.
NULL = 1e-12


@dataclass(frozen=True)
class Moments:
    """Second moments of normalised features.

    Attributes:
        aa: (d_a, d_a) A A^T.
        bb: (d_b, d_b) B B^T.
        ab: (d_a, d_b) A B^T.
        n: number of images.
    """

    aa: NDArray
    bb: NDArray
    ab: NDArray
    n: int

    @property
    def valid(self) -> bool:
        """False where a feature set is the same for all images, and cannot be normalised."""
        return bool(np.isfinite(self.ab).all())


def normalize(features: NDArray) -> NDArray:
    """(n, d) float64 features centred over images, of Frobenius norm 1; NaN where all images are alike."""
    centered = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    norm = np.linalg.norm(centered)
    scale = np.abs(features).max() * np.sqrt(features.size)
    return centered / norm if norm > 1e-12 * scale else np.full_like(centered, np.nan)


def moments(a: NDArray, b: NDArray) -> Moments:
    """Moments of two normalised feature sets of the same images.

    Raises ValueError for different numbers of images.
    """
    if len(a) != len(b):
        raise ValueError(f"features of {len(a)} and of {len(b)} images cannot be compared")
    return Moments(a.T @ a, b.T @ b, a.T @ b, len(a))


def whitening(aa: NDArray) -> tuple[NDArray, NDArray]:
    """Directions of A that are not null.

    Returns:
        (d, r) matrix W with W^T (A A^T) W = 1, and (r, d) matrix with the rows <h_i, a_j> of W^T A A^T.
    """
    values, vectors = np.linalg.eigh(aa)
    alive = values > NULL * values[-1]
    roots = np.sqrt(values[alive])
    return vectors[:, alive] / roots, (vectors[:, alive] * roots).T
