"""Lower bounds of IoA and IoU, whichever tokens are kept (paper appendix F, Algorithms 1 and 2).

Two sets of sizes a and b out of P tokens share at least a + b - P. The bounds hold for methods that keep
exactly their budget: ATS may keep less and fall below.
"""

from __future__ import annotations


def ioa_lower_bound(num_tokens: int, larger: int, smaller: int) -> float:
    """Least IoA of sets of two sizes: max(0, a + b - P) / b, with b the size of the smaller (Algorithm 1).

    >>> round(ioa_lower_bound(196, 176, 137), 4)
    0.854
    """
    return max(0, larger + smaller - num_tokens) / smaller


def iou_lower_bound(num_tokens: int, first: int, second: int) -> float:
    """Least IoU of sets of two sizes: max(0, a + b - P) / P (Algorithm 2).

    Where the sets must overlap, the least overlap leaves no token out of both, so that their union is all P
    tokens: the bound is attained.

    >>> round(iou_lower_bound(196, 176, 176), 4)
    0.7959
    """
    return max(0, first + second - num_tokens) / num_tokens
