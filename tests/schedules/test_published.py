"""Token counts and costs of published schedules, as in the papers' code (CLS counted)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.schedules.shapes import BOTH, DEIT, PAIRS, REUSING, blocks_of, gmacs_of, tokens_of
from tokred.schedules import Constant, DiffRate, Kept, Limits, Ratio, Schedule, Stages
from tokred.schedules.macs import Site, forward_macs

#: DiffRate (Chen et al. 2023) for DeiT-S and DeiT-B: cost, and the lists of pruning and merging.
DIFFRATE = {
    ("small", "2.3"): (
        (197, 192, 168, 143, 121, 105, 92, 74, 62, 45, 33, 3),
        (197, 180, 156, 127, 109, 98, 80, 66, 52, 37, 31, 3),
    ),
    ("small", "2.5"): (
        (197, 192, 174, 156, 131, 115, 111, 99, 76, 50, 39, 3),
        (197, 186, 160, 133, 119, 107, 96, 82, 66, 43, 37, 3),
    ),
    ("small", "2.7"): (
        (197, 196, 182, 160, 141, 127, 115, 105, 88, 66, 49, 3),
        (197, 188, 170, 147, 131, 119, 109, 96, 76, 54, 45, 3),
    ),
    ("small", "2.9"): (
        (197, 196, 190, 168, 150, 139, 129, 117, 99, 78, 58, 3),
        (197, 194, 176, 156, 141, 133, 121, 107, 88, 64, 56, 3),
    ),
    ("small", "3.1"): (
        (197, 197, 194, 180, 160, 147, 137, 129, 115, 92, 76, 3),
        (197, 196, 186, 164, 150, 141, 133, 121, 103, 78, 68, 3),
    ),
    ("base", "11.5"): (
        (197, 197, 197, 188, 170, 154, 139, 123, 107, 72, 43, 3),
        (197, 197, 192, 178, 158, 145, 127, 111, 94, 50, 35, 3),
    ),
}
WITHIN = Limits("rows", Site.WITHIN)
CASES: dict[str, tuple[Schedule, Limits, list[int], float]] = {
    "ToMe r 8": (Constant(8), PAIRS, list(range(189, 100, -8)), 3.4165),
    "ToMe r 13": (Constant(13), PAIRS, list(range(184, 40, -13)), 2.7027),
    # The last block has 20 spatial tokens, of which 10 can merge.
    "ToMe r 16": (Constant(16), PAIRS, [*range(181, 20, -16), 11], 2.2909),
    "ToMe r 8, falling": (
        Constant(8, -1),
        PAIRS,
        [181, 167, 154, 143, 133, 125, 118, 113, 109, 107, 106, 106],
        3.0587,
    ),
    "PiToMe .9": (Ratio(0.9), PAIRS, [178, 161, 145, 131, 118, 107, 97, 88, 80, 73, 66, 60], 2.5948),
    "ToFu .9": (
        Ratio(0.9, count_cls=True),
        PAIRS,
        [178, 161, 145, 131, 118, 107, 97, 88, 80, 72, 65, 59],
        2.5898,
    ),
    "MCTF r 16": (Constant(16, blocks=tuple(range(1, 12))), REUSING, list(range(197, 20, -16)), 2.5769),
    "MCTF-Fast": (
        Ratio(0.65, blocks=(3, 6, 9)),
        REUSING,
        [197] * 3 + [129] * 3 + [85] * 3 + [56] * 3,
        2.7441,
    ),
    "MCTF r 16, all on merged tokens": (
        Constant(16, blocks=tuple(range(1, 12))),
        Limits("before", Site.BEFORE),
        list(range(197, 20, -16)),
        2.5103,
    ),
    "MCTF r 16, by ToMe's formula": (
        Constant(16, blocks=tuple(range(1, 12))),
        PAIRS,
        list(range(197, 20, -16)),
        2.6435,
    ),
    "GTP P 8": (Constant(8), Limits("graph"), list(range(189, 100, -8)), 3.4165),
    "stages .50": (Stages("0.5"), WITHIN, [197] * 3 + [99] * 3 + [50] * 3 + [25] * 3, 2.2776),
    "stages .25": (Stages("0.25"), WITHIN, [197] * 3 + [50] * 3 + [13] * 3 + [4] * 3, 1.6988),
}


@pytest.mark.parametrize("case", CASES)
def test_published_schedules(case: str) -> None:
    schedule, limits, tokens, gmacs = CASES[case]
    assert tokens_of(schedule, limits) == tokens
    assert gmacs_of(schedule, limits) == gmacs


@pytest.mark.parametrize(("size", "gmacs"), DIFFRATE)
def test_diffrate(size: str, gmacs: str) -> None:
    """The costs that name the lists are those of the whole model, rounded to one digit."""
    prune, merge = DIFFRATE[size, gmacs]
    schedule, shape = DiffRate(prune, merge), DEIT[size]
    assert tokens_of(schedule, BOTH, shape) == list(merge)
    assert abs(gmacs_of(schedule, BOTH, shape) - float(gmacs)) < 0.05
    # Only blocks with fewer tokens than before have a stage, which knows how many are left by pruning.
    entering = (197, *merge)
    expected = {
        block: (min(p, t) - 1, m - 1)
        for block, (t, p, m) in enumerate(zip(entering, prune, merge, strict=False))
        if m < t
    }
    assert {b.block: (b.pruned_to, b.kept) for b in schedule.budgets(shape, BOTH)} == expected


def test_diffrate_cost_to_the_digit() -> None:
    """DiffRate's formula embeds a patch for CLS as well: 768 x 384 more."""
    prune, merge = DIFFRATE["small", "2.9"]
    found = forward_macs(DEIT["small"], blocks_of(DiffRate(prune, merge), BOTH)).total
    assert round((found + 768 * 384) / 1e9, 4) == 2.9053


def test_entries_above_the_number_of_tokens_change_nothing() -> None:
    """Published lists are not always monotone."""
    prune = (197, 197, 178, 164, 156, 137, 129, 129, 129, 129, 129, 21)
    merge = (197, 190, 148, 156, 145, 135, 125, 125, 125, 125, 125, 21)
    found = DiffRate(prune, merge).budgets(DEIT["tiny"], BOTH)
    assert [(b.block, b.pruned_to, b.kept) for b in found] == [
        (1, 196, 189),
        (2, 177, 147),
        (4, 147, 144),
        (5, 136, 134),
        (6, 128, 124),
        (11, 20, 20),
    ]


@pytest.mark.parametrize(("size", "gmacs"), [("tiny", 1.254), ("small", 4.599), ("base", 17.564)])
def test_unreduced(size: str, gmacs: float) -> None:
    shape = DEIT[size]
    assert round(forward_macs(shape, shape.unreduced()).total / 1e9, 3) == gmacs
    assert Kept((196,) * 12).budgets(shape, PAIRS) == ()


def test_kept_counts_spatial_tokens() -> None:
    tokens = (196, 190, 190, 150, 120, 100, 80, 60, 40, 30, 20, 10)
    assert tokens_of(Kept(tokens), PAIRS) == [number + 1 for number in tokens]
    found = Kept(tokens).budgets(DEIT["small"], PAIRS)
    assert [(budget.block, budget.kept) for budget in found] == [
        (block, kept) for block, kept in enumerate(tokens) if block not in (0, 2)
    ]
    assert [budget.share for budget in found] == [budget.kept / 196 for budget in found]


def test_shares_of_the_paper_are_exact() -> None:
    budgets = Stages("0.7").budgets(DEIT["small"], WITHIN)
    assert [budget.share for budget in budgets] == [0.7**stage for stage in (1, 2, 3)]
    assert [budget.kept for budget in budgets] == [137, 96, 67]


@pytest.mark.parametrize(
    ("inflect", "removed"),
    [
        (-1.0, [16, 14, 13, 11, 10, 8, 7, 5, 4, 2, 1, 0]),
        (0.0, [8] * 12),
        (1.0, [0, 1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16]),
        # int(8 * (1 - .3)) = 5 and 2 * 8 - 5 = 11, in between int(5 + 6 / 11 * block).
        (0.3, [5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 11]),
    ],
)
def test_inflection(inflect: float, removed: list[int]) -> None:
    assert Constant(8, inflect).removed(12) == removed
    tokens = [197, *tokens_of(Constant(8, inflect), PAIRS)]
    assert [before - after for before, after in pairwise(tokens)] == removed


def test_one_block_has_the_first_number() -> None:
    assert Constant(8, -1).removed(1) == [16]


def test_other_blocks_than_all() -> None:
    assert tokens_of(Constant(13, blocks=(2, 5)), PAIRS) == [197] * 2 + [184] * 3 + [171] * 7
    assert tokens_of(Constant(13), Limits("next", Site.BEFORE, first_block=1))[:3] == [197, 184, 171]
    assert tokens_of(Constant(190), Limits("any"))[:3] == [7, 2, 2]  # one token is always left
