"""Lower bounds of IoA and IoU against enumeration."""

from __future__ import annotations

from itertools import combinations

import pytest

from tokred.metrics.lower_bounds import ioa_lower_bound, iou_lower_bound
from tokred.schedules.budget import token_budget


@pytest.mark.parametrize("tokens", [6, 8])
@pytest.mark.parametrize(("larger", "smaller"), [(0.9, 0.75), (0.9, 0.9), (0.75, 0.5), (0.5, 0.5)])
def test_lower_bounds_are_what_enumeration_finds(tokens: int, larger: float, smaller: float) -> None:
    """Over all pairs of subsets; the union of least overlap is everything exactly where they must overlap."""
    size1, size2 = int(tokens * larger), int(tokens * smaller)
    pairs = [
        (set(a), set(b))
        for a in combinations(range(tokens), size1)
        for b in combinations(range(tokens), size2)
    ]
    assert ioa_lower_bound(tokens, size1, size2) == min(len(a & b) / len(b) for a, b in pairs)
    assert iou_lower_bound(tokens, size1, size2) == min(len(a & b) / len(a | b) for a, b in pairs)


def test_lower_bounds_of_the_paper() -> None:
    budgets = [[token_budget(196, rate, stage) for rate in ("0.90", "0.70")] for stage in (1, 2, 3)]
    found = [ioa_lower_bound(196, *sizes) for sizes in budgets]
    assert found == [(176 + 137 - 196) / 137, (158 + 96 - 196) / 96, (142 + 67 - 196) / 67]
    assert iou_lower_bound(196, 98, 98) == 0
