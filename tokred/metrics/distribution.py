"""Depth maps as distributions over tokens."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def distribution(depth_map: NDArray) -> NDArray:
    """(P,) map normalised to sum 1.

    Raises ValueError for a negative or not finite value, or a map that is zero everywhere.
    """
    if not np.isfinite(depth_map).all() or depth_map.min() < 0 or depth_map.sum() <= 0:
        raise ValueError(
            f"a map with values from {depth_map.min()} to {depth_map.max()} is no distribution: "
            "expected finite values >= 0 and not all 0"
        )
    return np.asarray(depth_map, dtype=np.float64) / depth_map.sum()
