"""Positions of tokens through stages, by hand."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

import tokred
from tests.small_models import images, small_vit
from tokred.methods.base import Reduction
from tokred.models.slots import Slots
from tokred.schedules import Constant


def slots(rule: str = "representative") -> Slots:
    """Of one image with 2 x 4 tokens."""
    return Slots(torch.zeros(1, 8, 3), (2, 4), rule)


def row(*values: int) -> Tensor:
    return torch.tensor([values])


def test_kept_tokens_keep_their_positions() -> None:
    found = slots()
    found.update(Reduction(anchor=row(5, 0, 2)), 8)
    assert found.position.tolist() == [[5, 0, 2]]
    found.update(Reduction(anchor=row(2, 0, -1)), 3)
    assert found.assign.tolist() == [[-1, -1, 0, -1, -1, 1, -1, -1]]
    # Padding is at the center of the grid: row 0.5, column 1.5, rounded up.
    assert found.position.tolist() == [[2, 5, 6]]
    assert found.count(3).tolist() == [[1, 1, 0]]


def test_no_reduction_leaves_the_whole_grid() -> None:
    found = slots()
    found.update(Reduction(), 8)
    assert found.whole
    assert found.position.tolist() == [list(range(8))]


def test_merged_tokens_are_where_their_representative_is() -> None:
    assign = row(0, 0, 1, 1, 0, 0, 1, 1)
    merged = Reduction(anchor=row(-1, -1), assign=assign, position=row(5, -1))
    found = slots()
    found.update(merged, 8)
    # The first has a representative; the second's tokens have the mean row 0.5 and column 2.5, rounded up.
    assert found.position.tolist() == [[5, 7]]
    assert found.count(2).tolist() == [[4, 4]]
    found = slots("centroid")
    found.update(merged, 8)
    assert found.position.tolist() == [[5, 7]]


def test_centroid_is_that_of_the_input_tokens_over_all_stages() -> None:
    found = slots("centroid")
    found.update(Reduction(anchor=row(0, 3, 4), assign=row(0, 0, 0, 1, 2, 2, 2, 2)), 8)
    assert found.position.tolist() == [[1, 3, 6]]
    found.update(Reduction(anchor=row(0, 1), assign=row(0, 1, 0)), 3)
    # Tokens 0, 1, 2, 4, 5, 6, 7 have the mean row 4 / 7 and column 9 / 7.
    assert found.position.tolist() == [[5, 3]]


@pytest.mark.parametrize("method", ["tome", "pitome", "dtem", "mctf"])
def test_merged_tokens_are_where_a_token_was_that_others_merged_into(method: str) -> None:
    model = tokred.reduce(small_vit(), method, schedule=Constant(9, blocks=(1, 2, 5)))
    stages = model.trace(images())[1].stages
    assert [stage.position.shape[1] for stage in stages] == [55, 46, 37]
    for stage in stages:
        slots = torch.arange(stage.position.shape[1]).expand_as(stage.position)
        assert stage.assign.gather(1, stage.position).equal(slots)
    for before, after in itertools.pairwise(stages):  # a token stays where it was
        assert all(set(after.position[i].tolist()) < set(before.position[i].tolist()) for i in range(4))
