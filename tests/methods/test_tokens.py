"""Rows of tokens, whatever their layout in memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tokred.methods.tokens import gather_tokens, sum_by_slot

LAYOUTS = {
    "contiguous": lambda x: x,
    "without the prefix": lambda x: x[:, 1:],
    "every other feature": lambda x: x[..., ::2],
    "heads": lambda x: x.unflatten(2, (2, 4)),
    "heads, strided": lambda x: x.unflatten(2, (2, 4)).transpose(2, 3),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_values_and_gradients(layout: str) -> None:
    """As with an index for every number, also where a token is taken twice."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 7, 8, generator=generator, dtype=torch.float64, requires_grad=True)
    tokens: Tensor = LAYOUTS[layout](x)
    index = torch.tensor([[5, 0, 5, 1], [0, 1, 2, 3], [4, 4, 4, 0]])
    wide = index.reshape(3, 4, *[1] * (tokens.dim() - 2)).expand(-1, -1, *tokens.shape[2:])
    found, expected = gather_tokens(tokens, index), tokens.gather(1, wide)
    assert torch.equal(found, expected)
    weights = torch.randn(expected.shape, generator=generator, dtype=torch.float64)
    gradients = [torch.autograd.grad((y * weights).sum(), x)[0] for y in (found, expected)]
    torch.testing.assert_close(*gradients)


def test_an_index_beyond_the_last_token_takes_none_of_the_next_image() -> None:
    with pytest.raises(IndexError, match="index 7 is out of bounds"):
        gather_tokens(torch.zeros(3, 7, 8), torch.tensor([[0, 7], [0, 1], [0, 1]]))


def test_sums_by_slot() -> None:
    x = torch.arange(12.0).reshape(2, 3, 2)
    assign = torch.tensor([[1, 0, 1], [2, 2, 2]])
    expected = [[[2.0, 3], [4, 6], [0, 0]], [[0, 0], [0, 0], [24, 27]]]
    assert sum_by_slot(x, assign, 3).tolist() == expected
    assert sum_by_slot(x[..., 0], assign, 3).tolist() == [[2, 4, 0], [0, 0, 24]]
