"""Token budget of a reduction stage (`K_s = floor(P * r**s)`, paper section 3)."""

from __future__ import annotations

from fractions import Fraction


def token_budget(num_tokens: int, keep_rate: float | str, stage: int) -> int:
    """Number of tokens K_s that leave a stage.

    Exact rational arithmetic on the keep rate's decimal text, so that 0.7**1 * 10 gives 7.

    Args:
        num_tokens: spatial tokens P of the *input* grid.
        keep_rate: r in (0, 1].
        stage: s, counted from 1.

    Raises:
        ValueError: the budget would be 0.

    >>> [token_budget(196, 0.7, s) for s in (1, 2, 3)]
    [137, 96, 67]
    """
    budget = int(num_tokens * Fraction(str(keep_rate)) ** stage)
    if budget < 1:
        raise ValueError(
            f"keep_rate {keep_rate} leaves 0 of {num_tokens} tokens at stage {stage}: "
            f"expected P * r**s >= 1 (P = {num_tokens}, r = {keep_rate}, s = {stage})"
        )
    return budget
