"""Lower bounds of IoA and IoU, whichever tokens are kept (paper appendix F, Algorithms 1 and 2).

Two sets of sizes a and b out of P tokens share at least a + b - P. The bounds hold for methods that keep
exactly their budget: ATS may keep less and fall below.
"""

from __future__ import annotations

from tokred.schedules.budget import token_budget


def ioa_lower_bound(num_tokens: int, r1: str, r2: str, stage: int) -> float:
    """Least IoA at a stage for keep rates r1 >= r2: max(0, a + b - P) / b (Algorithm 1).

    >>> round(ioa_lower_bound(196, "0.90", "0.70", 1), 4)
    0.854
    """
    larger, smaller = token_budget(num_tokens, r1, stage), token_budget(num_tokens, r2, stage)
    return max(0, larger + smaller - num_tokens) / smaller


def iou_lower_bound(num_tokens: int, r1: str, r2: str, stage: int) -> float:
    """Least IoU at a stage: max(0, a + b - P) / P (Algorithm 2).

    Where the sets must overlap, the least overlap leaves no token out of both, so that their union is all P
    tokens: the bound is attained.

    >>> round(iou_lower_bound(196, "0.90", "0.90", 1), 4)
    0.7959
    """
    first, second = token_budget(num_tokens, r1, stage), token_budget(num_tokens, r2, stage)
    return max(0, first + second - num_tokens) / num_tokens
