"""Schedules that are scaled to the cost of the paper's stages."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise, product

import pytest

from tests.schedules.shapes import BOTH, DEIT, PAIRS, blocks_of, gmacs_of, tokens_of
from tests.typical import slow_after_first
from tokred.schedules import Constant, DiffRate, Kept, Limits, Matched, Ratio, Schedule, Stages
from tokred.schedules.macs import Shape, Site, forward_macs

SHAPES: dict[str, object] = {
    "constant": "constant",
    "rising": "rising",
    "falling": "falling",
    "ratio": "ratio",
    "constant with inflection": Constant(8, -0.5),
    "constant in some blocks": Constant(8, blocks=(1, 2, 4, 7)),
    "ratio in some blocks": Ratio(0.65, blocks=(2, 5, 8)),
    "list": Kept((196, 190, 180, 160, 150, 140, 120, 100, 80, 60, 30, 20)),
    "diffrate": DiffRate(
        (197, 196, 190, 168, 150, 139, 129, 117, 99, 78, 58, 3),
        (197, 194, 176, 156, 141, 133, 121, 107, 88, 64, 56, 3),
    ),
    "stages": Stages("0.6", (2, 5, 8)),
}
IN_SOME_BLOCKS = ("constant in some blocks", "ratio in some blocks", "stages")
RATES = ("0.25", "0.50", "0.70", "0.90")


def cost(schedule: Schedule, limits: Limits, shape: Shape) -> int:
    return forward_macs(shape, blocks_of(schedule, limits, shape)).total


def cost_of_stages(shape: Shape, rate: str) -> int:
    """That of Top-K, which reduces within attention."""
    return cost(Stages(rate), Limits("rows", Site.WITHIN), shape)


@pytest.mark.parametrize("least", slow_after_first(["0", "0.5"]))
@pytest.mark.parametrize("site", slow_after_first(Site))
@pytest.mark.parametrize("name", SHAPES)
def test_costs_within_half_a_percent(name: str, site: Site, least: str) -> None:
    limits = replace(BOTH, site=site, min_keep_rate=Fraction(least))
    # Half of the tokens at three or four blocks cannot cost as little as the paper's stages at .25.
    rates = RATES[1:] if name in IN_SOME_BLOCKS and least == "0.5" else RATES
    for shape, rate in product(DEIT.values(), rates):
        found = cost(Matched(rate, SHAPES[name]), limits, shape)
        assert abs(found / cost_of_stages(shape, rate) - 1) < 0.005, (shape, rate)


@pytest.mark.parametrize("rate", RATES)
def test_smaller_rates_leave_fewer_tokens(rate: str) -> None:
    more, fewer = tokens_of(Matched("0.95"), PAIRS), tokens_of(Matched(rate), PAIRS)
    assert all(a > b for a, b in zip(more, fewer, strict=True))


def test_a_keep_rate_of_one_removes_nothing() -> None:
    for name in ("constant", "rising", "falling", "ratio"):
        assert Matched("1.0", name).budgets(DEIT["small"], PAIRS) == ()


def test_the_shape_stays() -> None:
    """Numbers of removed tokens are proportional to those of the shape, to a rounded token."""
    constant = [197, *tokens_of(Matched("0.7"), PAIRS)]
    steps = [before - after for before, after in pairwise(constant)]
    assert max(steps) - min(steps) <= 1
    rising = [197, *tokens_of(Matched("0.9", "rising"), PAIRS)]
    steps = [before - after for before, after in pairwise(rising)]
    assert steps[0] == 0
    assert all(later >= earlier - 1 for earlier, later in pairwise(steps))
    assert steps[-1] > 1.5 * sum(steps) / 12
    falling = [197, *tokens_of(Matched("0.7", "falling"), PAIRS)]
    steps = [before - after for before, after in pairwise(falling)]
    assert steps[-1] == 0
    assert steps[0] > 1.5 * sum(steps) / 12
    ratio = [197, *tokens_of(Matched("0.7", "ratio"), PAIRS)]
    shares = [(after - 1) / (before - 1) for before, after in pairwise(ratio)]
    assert max(shares) - min(shares) < 0.02
    stages = tokens_of(Matched("0.7", Stages("0.6", (2, 5, 8))), PAIRS)
    assert [stages.count(number) for number in sorted(set(stages), reverse=True)] == [2, 3, 3, 4]


def test_pruning_and_merging_keep_their_parts() -> None:
    lists = SHAPES["diffrate"]
    assert isinstance(lists, DiffRate)
    tokens, like = 196, {budget.block: budget for budget in lists.budgets(DEIT["small"], BOTH)}
    before = dict(zip(like, [196, *(budget.kept for budget in like.values())], strict=False))
    found = Matched("0.8", lists).budgets(DEIT["small"], BOTH)
    assert len(found) == 11
    for budget in found:
        pruned = (before[budget.block] - like[budget.block].pruned_to) / (
            before[budget.block] - like[budget.block].kept
        )
        assert abs((tokens - budget.pruned_to) - pruned * (tokens - budget.kept)) <= 0.5
        tokens = budget.kept


def test_a_shape_that_costs_the_same_is_the_shape() -> None:
    stages = Stages("0.7")
    assert tokens_of(Matched("0.7", stages), PAIRS) == tokens_of(stages, PAIRS)


def test_the_target_is_the_same_for_every_method() -> None:
    before = Limits("before", Site.BEFORE)
    target = cost_of_stages(DEIT["small"], "0.5")
    assert Matched("0.5").target(DEIT["small"]) == target
    for limits in (before, PAIRS):
        assert abs(cost(Matched("0.5"), limits, DEIT["small"]) / target - 1) < 0.005
    # Fewer tokens go through a block in which they leave before attention.
    assert tokens_of(Matched("0.5"), before) > tokens_of(Matched("0.5"), PAIRS)


def test_other_locations_of_the_stages() -> None:
    early = Matched("0.7", locations=(1, 2, 3))
    assert early.target(DEIT["small"]) < Matched("0.7").target(DEIT["small"])
    assert gmacs_of(early, PAIRS) < gmacs_of(Matched("0.7"), PAIRS)


def test_the_first_block_of_a_method() -> None:
    tokens = tokens_of(Matched("0.7"), Limits("next", Site.BEFORE, first_block=1))
    assert tokens[0] == 197
    assert tokens[1] < 197


@pytest.mark.parametrize(
    ("schedule", "limits", "message"),
    [
        (
            Matched("0.25", Stages("0.5")),
            PAIRS,
            "schedule 'matched': method 'pairs' cannot cost 1.699 billion multiply-accumulates (those of "
            "keep_rate 0.25) with shape 'stages': the nearest is 1.718",
        ),
        (
            Matched("0.25", Constant(1, blocks=(11,))),
            Limits("any"),
            "schedule 'matched': method 'any' cannot cost 1.699 billion multiply-accumulates (those of "
            "keep_rate 0.25) with shape 'constant': the nearest is 4.369",
        ),
        (
            Matched("0.7", Kept((196,) * 12)),
            PAIRS,
            "schedule 'matched': shape 'kept' removes no tokens, and cannot be scaled",
        ),
        (
            Matched("0.7", Kept((190,) * 11)),
            PAIRS,
            "schedule: tokens: expected 12 numbers, one per block, found 11",
        ),
        (
            Matched("0.7", locations=(3, 12)),
            PAIRS,
            "location 12 of method 'stages': expected a block from 0 to 11",
        ),
    ],
)
def test_targets_that_cannot_be_met(schedule: Schedule, limits: Limits, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        schedule.budgets(DEIT["small"], limits)
