"""Positions of tokens through stages, by hand."""

from __future__ import annotations

import torch
from torch import Tensor

from tokred.methods.base import Reduction
from tokred.methods.matching import Matching
from tokred.models.slots import Slots


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


def test_representatives_of_a_matching() -> None:
    merged = torch.tensor([[False, False, True, False, False]])
    matching = Matching(assign=row(0, 2, 3, 3, 1), num_slots=4, merged=merged)
    assert matching.representative.tolist() == [[0, 4, 1, 3]]
