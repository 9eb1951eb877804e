"""Orthogonal Procrustes distance of CLS features (paper section 5.5)."""

from __future__ import annotations

import numpy as np

from tokred.metrics.moments import Moments


def procrustes(moments: Moments) -> tuple[float, int]:
    """||A||^2 + ||B||^2 - 2 ||A B^T||_*, in [0, 2]; NaN for features that are the same for all images.

    Returns:
        The distance, and 0 dropped directions.

    Raises:
        ValueError: features of different width.
    """
    if moments.aa.shape != moments.bb.shape:
        raise ValueError(
            f"Procrustes distance: features of width {len(moments.aa)} and {len(moments.bb)}, "
            "expected the same"
        )
    if not moments.valid:
        return float("nan"), 0
    nuclear = np.linalg.svd(moments.ab, compute_uv=False).sum()
    distance = np.trace(moments.aa) + np.trace(moments.bb) - 2 * nuclear
    return float(np.clip(distance, 0.0, 2.0)), 0
