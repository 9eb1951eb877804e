"""Linear centered kernel alignment of CLS features, as a distance (Kornblith et al. 2019; appendix J)."""

from __future__ import annotations

import numpy as np

from tokred.metrics.moments import Moments


def cka(moments: Moments) -> tuple[float, int]:
    """1 - ||B A^T||_F^2 / (||A A^T||_F ||B B^T||_F), in [0, 1]; NaN for features alike for all images.

    Returns:
        The distance, and 0 dropped directions.
    """
    if not moments.valid:
        return float("nan"), 0
    aligned = np.linalg.norm(moments.ab) ** 2
    scale = np.linalg.norm(moments.aa) * np.linalg.norm(moments.bb)
    return float(np.clip(1 - aligned / scale, 0.0, 1.0)), 0
