"""ATS: sample tokens from the distribution of CLS attention (Fayyaz et al. 2022; paper section 3.1.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from tokred.methods.base import Context, Reducer, Reduction
from tokred.methods.tokens import at_least_float32


class ATS(Reducer):
    """Keeps the distinct tokens that inverse transform sampling draws at K_s evenly spaced points of the CDF.

    Images keep different numbers of tokens. They are padded to the largest number in the batch, and padding
    has key weight 0, so that results of an image do not depend on the others.
    """

    has_key_weights = True
    pads_slots = True

    @torch.no_grad()
    def forward(self, x: Tensor, context: Context) -> Reduction:
        attn = context.attention
        significance = (attn.cls_scores() * at_least_float32(attn.values).norm(dim=3)).sum(dim=1)
        padding = None if context.weight is None else context.weight == 0
        sampled = self._sample(significance, padding)
        counts = sampled.sum(dim=1)
        # A traced graph is used for other batches too, so its width is the largest number an image can keep.
        width_varies = not (torch.jit.is_tracing() or torch.compiler.is_compiling()) and counts.numel() > 0
        width = int(counts.max()) if width_varies else min(self.stage.budget, x.shape[1])
        # Kept tokens first, then the others, both in raster order (a stable sort of "not sampled").
        order = (~sampled).to(torch.uint8).argsort(dim=1, stable=True)[:, :width]
        valid = torch.arange(width, device=x.device) < counts.unsqueeze(1)
        no_padding = width_varies and bool(valid.all())
        return Reduction(anchor=order.masked_fill(~valid, -1), weight=None if no_padding else valid.float())

    def _sample(self, significance: Tensor, padding: Tensor | None) -> Tensor:
        """(B, N) whether each token is the nearest one to a sample point."""
        if padding is not None:
            significance = significance.masked_fill(padding, 0.0)
        cdf = (significance / (significance.sum(dim=1, keepdim=True) + 1e-6)).cumsum(dim=1)
        if padding is not None:
            cdf = cdf.masked_fill(padding, torch.inf)
        num_points = self.stage.budget
        points = (2 * torch.arange(num_points, device=cdf.device) + 1) / (2 * (num_points + 1))
        nearest = (points[None, :, None] - cdf[:, None, :]).abs().argmin(dim=2)
        return torch.zeros_like(cdf, dtype=torch.bool).scatter(1, nearest, torch.ones_like(nearest).bool())
