"""Sizes of DeiT, and limits of methods that follow schedules."""

from __future__ import annotations

from fractions import Fraction

from tokred.schedules import Limits, Schedule
from tokred.schedules.macs import BlockTokens, Shape, Site, forward_macs, reduced_blocks

#: DeiT-T, -S and -B with 196 patches and CLS.
DEIT = {
    name: Shape(196, 1, 3 * 16 * 16, width, 4 * width, 12, 1000)
    for name, width in (("tiny", 192), ("small", 384), ("base", 768))
}
#: Merging of pairs after attention, as ToMe's; and before it, with its probabilities, as MCTF's.
PAIRS = Limits("pairs", Site.AFTER, Fraction(1, 2))
REUSING = Limits("reusing", Site.REUSE, Fraction(1, 2))
#: Pruning and merging in one stage.
BOTH = Limits("both", Site.AFTER, prunes_and_merges=True)


def blocks_of(schedule: Schedule, limits: Limits, shape: Shape = DEIT["small"]) -> list[BlockTokens]:
    """Numbers of tokens of every block of a reduced model."""
    kept = {budget.block: budget.kept for budget in schedule.budgets(shape, limits)}
    return reduced_blocks(shape, limits.site, kept)


def tokens_of(schedule: Schedule, limits: Limits, shape: Shape = DEIT["small"]) -> list[int]:
    """Tokens after every block, CLS included."""
    return [block.mlp for block in blocks_of(schedule, limits, shape)]


def gmacs_of(schedule: Schedule, limits: Limits, shape: Shape = DEIT["small"]) -> float:
    """Billions of multiply-accumulates, to four digits."""
    return round(forward_macs(shape, blocks_of(schedule, limits, shape)).total / 1e9, 4)
