"""Multiply-accumulates of a study's models, from its configuration alone."""

from __future__ import annotations

from tokred.methods.registry import METHODS
from tokred.run import UNREDUCED, Run
from tokred.schedules import Schedule, Stages
from tokred.schedules.macs import BlockTokens, Shape, reduced_blocks
from tokred.study.study import Study


def block_tokens(shape: Shape, method: str, schedule: Schedule) -> list[BlockTokens]:
    """Numbers of tokens in every block of a reduced model, counted as in publications."""
    if method == UNREDUCED:
        return shape.unreduced()
    budgets = schedule.budgets(shape, METHODS[method].limits)
    return reduced_blocks(shape, METHODS[method].site, {budget.block: budget.kept for budget in budgets})


def blocks_of(study: Study, run: Run, shape: Shape) -> list[BlockTokens]:
    """Numbers of tokens in every block of a run's model, whose backbone has some shape."""
    schedule = study.schedule_of(run.method, run.keep_rate)
    if schedule is None:
        schedule = Stages(keep_rate=run.keep_rate, locations=tuple(study.locations))
    return block_tokens(shape, run.method, schedule)
