"""Controls for pruning: random tokens, and tokens that are evenly spread over the grid."""

from __future__ import annotations

import copy

import pytest
import torch

import tokred
from tests.small_models import images, small_vit
from tokred import schedules
from tokred.methods.random_tokens import scramble
from tokred.methods.uniform import UniformGrid, dither_rank
from tokred.models.trace import Trace

GRIDS = [(8, 8), (14, 14), (7, 20), (5, 3), (1, 9), (1, 1)]


@torch.no_grad()
def traced(method: str, schedule: schedules.Schedule, count: int = 4, **options: object) -> Trace:
    return tokred.reduce(small_vit(), method, schedule=schedule, **options).trace(images(count))[1]


@pytest.mark.parametrize("method", ["random", "uniform"])
def test_exactly_as_many_as_the_schedule_says(method: str) -> None:
    schedule = schedules.Constant(5, -0.5)
    trace = traced(method, schedule)
    model = tokred.reduce(small_vit(), method, schedule=schedule)
    budgets = [reducer.stage.budget for reducer in model.reducers]
    assert len(budgets) > 8
    for stage, budget in zip(trace.stages, budgets, strict=True):
        assert stage.anchor.shape == (4, budget)
        assert (stage.anchor.diff(dim=1) > 0).all(), "kept tokens stay in raster order"
        assert ((stage.assign >= 0).sum(dim=1) == budget).all()


def picture(grid: tuple[int, int], budget: int) -> str:
    mask = UniformGrid.pattern(grid, budget).reshape(grid)
    return "/".join("".join(".#"[int(kept)] for kept in row) for row in mask)


def test_uniform_grids() -> None:
    assert picture((6, 6), 9) == "....../.#.#.#/....../.#.#.#/....../.#.#.#"
    assert picture((6, 6), 18) == "#.#.#./.#.#.#/#.#.#./.#.#.#/#.#.#./.#.#.#"
    assert picture((8, 8), 4) == "......../.#...#../......../......../......../.#...#../......../........"
    assert picture((3, 8), 2) == ".#...#../......../........"
    assert picture((1, 9), 4) == ".#.#.#.#."
    assert picture((14, 14), 49) == "/".join([14 * ".", 7 * ".#"] * 7)
    assert picture((14, 14), 98) == "/".join([7 * "#.", 7 * ".#"] * 7)


@pytest.mark.parametrize("grid", GRIDS)
def test_uniform_patterns_are_nested(grid: tuple[int, int]) -> None:
    num_tokens = grid[0] * grid[1]
    assert len(dither_rank(*grid).unique()) == num_tokens
    before = torch.zeros(num_tokens, dtype=torch.bool)
    for budget in range(1, num_tokens + 1):
        kept = UniformGrid.pattern(grid, budget)
        assert kept.sum() == budget
        assert (kept | ~before).all()
        before = kept


@pytest.mark.parametrize(("budget", "farthest"), [(9, 3), (16, 3), (24, 3), (49, 1), (67, 1), (137, 1)])
def test_uniform_patterns_are_even(budget: int, farthest: int) -> None:
    """Every token has a kept one within a few rows and columns, which no random pattern has."""
    rows, columns = (UniformGrid.pattern((14, 14), budget).reshape(14, 14).nonzero()).unbind(1)
    to_row, to_column = ((torch.arange(14)[:, None] - kept).abs() for kept in (rows, columns))
    nearest = torch.maximum(to_row[:, None], to_column[None, :]).amin(dim=2)
    assert nearest.max() == farthest


@torch.no_grad()
def test_uniform_follows_the_grid() -> None:
    model = tokred.reduce(small_vit(), "uniform", 0.5)
    model.set_input_size(img_size=(16, 64))
    _, trace = model.trace(images(1, (16, 64)))
    assert trace.stages[0].anchor[0].tolist() == UniformGrid.pattern((4, 16), 32).nonzero().flatten().tolist()


def test_random_numbers_are_a_permutation() -> None:
    assert len(scramble(torch.arange(1 << 16)).unique()) == 1 << 16
    assert scramble(torch.arange((1 << 32) - 9, 1 << 32)).max() < 1 << 32
    ones = torch.stack([scramble(torch.arange(4096)) >> bit & 1 for bit in range(32)]).double().mean(dim=1)
    assert (ones - 0.5).abs().max() < 0.05


def test_random_tokens_are_others_in_every_image() -> None:
    """Sets are about as alike as chance has it, and every token is kept about as often."""
    stage = traced("random", schedules.Stages("0.50"), 200).stages[0]
    kept = (stage.assign >= 0).double()
    shared = kept @ kept.T
    shared.fill_diagonal_(-1)
    assert shared.max() < 32, "two images with the same tokens"
    mean = shared[shared >= 0].mean()
    assert mean == pytest.approx(16, abs=0.3)
    assert (kept.mean(dim=0) - 0.5).abs().max() < 0.15


@torch.no_grad()
def test_random_tokens_belong_to_the_image() -> None:
    """Not to its place in the batch, nor to the precision."""
    model, batch = tokred.reduce(small_vit(), "random", 0.7), images(12)
    assign = model.trace(batch)[1].stages[-1].assign
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model.trace(batch[order])[1].stages[-1].assign, assign[order])
    assert torch.equal(model.trace(batch[5:6])[1].stages[-1].assign, assign[5:6])
    double = copy.deepcopy(model).double().trace(batch.double())[1]
    assert torch.equal(double.stages[-1].assign, assign)


def test_random_tokens_are_nested_over_keep_rates() -> None:
    few, many = (traced("random", schedules.Stages(rate)).stages[-1].assign >= 0 for rate in ("0.50", "0.70"))
    assert (many | ~few).all()


def test_seed_chooses_other_random_tokens() -> None:
    schedule = schedules.Stages("0.50")
    first, same, other = (traced("random", schedule, seed=seed).stages[0].assign for seed in (0, 0, 1))
    assert torch.equal(first, same)
    overlap = ((first >= 0) & (other >= 0)).sum(dim=1)
    assert (overlap < 26).all()
    with pytest.raises(ValueError, match=r"options of method 'random'.*\n.*seed"):
        tokred.reduce(small_vit(), "random", 0.5, seed=-1)
