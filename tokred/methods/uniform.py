"""uniform: keep tokens that are evenly spread over the grid, in every image the same."""

from __future__ import annotations

import torch
from torch import Tensor

from tokred.methods.fixed import FixedPattern


class UniformGrid(FixedPattern):
    """Control for pruning: keeps exactly K_s tokens, without regard to the image.

    Tokens have one order, from coarse to fine, and a stage keeps the first K_s, so that stages are nested. Of
    an even number of rows and columns, P / 4 tokens are every second row and column, P / 2 a checkerboard.
    In between, any number is spread about evenly: the order is that of the thresholds in ordered dithering
    (Bayer 1973).
    """

    @classmethod
    def pattern(cls, grid: tuple[int, int], budget: int) -> Tensor:
        rank = dither_rank(*grid).flatten().argsort().argsort()
        return rank < budget


def dither_rank(height: int, width: int) -> Tensor:
    """(height, width) different integers, by which tokens are ordered from coarse to fine."""
    bits = (max(height, width) - 1).bit_length()
    rows = (torch.arange(height) - _offset(height))[:, None]
    columns = (torch.arange(width) - _offset(width))[None, :]
    rank = torch.zeros(height, width, dtype=torch.long)
    for bit in range(bits):  # the last bits of a position say how coarse a grid it is on
        row, column = rows >> bit & 1, columns >> bit & 1
        rank = 4 * rank + 2 * (row ^ column) + row
    return rank


def _offset(length: int) -> int:
    """Position of the coarsest grid's first token, so that the grids are about centered."""
    spacing = 1 << max((length - 1).bit_length() - 1, 0)  # the largest power of 2 below the length
    return (spacing - 1) // 2
