"""l1, l2, linf: keep the tokens nearest to the image center (paper section 3.1.1).

Stage s keeps all tokens within distance t_s, where t_s is the distance that occurs on the grid for which the
number of kept tokens is closest to K_s (the smaller one on a tie). Distances are exact: coordinates are
doubled to integers, and the l2 norm is compared squared.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tokred.methods.base import Context, Reducer, Reduction, Stage
from tokred.validation import Strict


class FixedPattern(Reducer):
    """Pruning by position on the grid; the kept set is the same for every image."""

    @classmethod
    def pattern(cls, grid: tuple[int, int], budget: int) -> Tensor:
        """(P,) mask of the tokens that a stage keeps; a smaller budget keeps some of these."""
        raise NotImplementedError

    kept: Tensor

    def __init__(self, stage: Stage, options: Strict) -> None:
        super().__init__(stage, options)
        self.register_buffer("kept", self._kept(stage), persistent=False)

    def set_stage(self, stage: Stage) -> None:
        super().set_stage(stage)
        self.kept = self._kept(stage).to(self.kept.device)

    def _kept(self, stage: Stage) -> Tensor:
        """Indices of the kept tokens among those that the previous stage kept, in raster order."""
        kept = torch.ones(stage.grid[0] * stage.grid[1], dtype=torch.bool)
        for budget in stage.budgets[: stage.index]:
            before = kept
            kept = self.pattern(stage.grid, budget)
        return kept[before].nonzero().squeeze(1)

    def forward(self, x: Tensor, context: Context) -> Reduction:
        return Reduction(anchor=self.kept.expand(x.shape[0], -1))


class RadialPattern(FixedPattern):
    """Pruning by distance to the center."""

    @staticmethod
    def distance(rows: Tensor, columns: Tensor) -> Tensor:
        """Integers that increase with the norm of the doubled offsets from the center."""
        raise NotImplementedError

    @classmethod
    def pattern(cls, grid: tuple[int, int], budget: int) -> Tensor:
        """(P,) mask of the tokens within the radius for which their number is closest to the budget."""
        height, width = grid
        rows = (2 * torch.arange(height) - (height - 1)).abs()
        columns = (2 * torch.arange(width) - (width - 1)).abs()
        distance = cls.distance(rows[:, None], columns[None, :]).flatten()
        radii, counts = distance.unique(sorted=True, return_counts=True)
        return distance <= radii[(counts.cumsum(0) - budget).abs().argmin()]


class L1(RadialPattern):
    """Keeps a diamond."""

    @staticmethod
    def distance(rows: Tensor, columns: Tensor) -> Tensor:
        return rows + columns


class L2(RadialPattern):
    """Keeps a disc."""

    @staticmethod
    def distance(rows: Tensor, columns: Tensor) -> Tensor:
        return rows**2 + columns**2


class Linf(RadialPattern):
    """Keeps a square."""

    @staticmethod
    def distance(rows: Tensor, columns: Tensor) -> Tensor:
        return torch.maximum(rows, columns)
