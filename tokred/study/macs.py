"""Numbers of tokens in the blocks of a study's models, from its configuration alone."""

from __future__ import annotations

from tokred.methods.registry import METHODS
from tokred.run import UNREDUCED
from tokred.schedules import Schedule, Stages
from tokred.schedules.macs import BlockTokens, Shape, reduced_blocks
from tokred.study.study import Study


def block_tokens(shape: Shape, method: str, schedule: Schedule) -> list[BlockTokens]:
    """Numbers of tokens in every block of a reduced model, counted as in publications."""
    if method == UNREDUCED:
        return shape.unreduced()
    budgets = schedule.budgets(shape, METHODS[method].limits)
    return reduced_blocks(shape, METHODS[method].site, {budget.block: budget.kept for budget in budgets})


def schedule_of(study: Study, method: str, keep_rate: str) -> Schedule:
    """The schedule of a method at a keep rate, which is that of the paper's stages by default."""
    own = study.schedule_of(method, keep_rate)
    return Stages(keep_rate=keep_rate, locations=tuple(study.locations)) if own is None else own
