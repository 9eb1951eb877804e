"""DynamicViT: a small network predicts the tokens to keep (Rao et al. 2021; paper section 3.1.2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tokred.methods.base import Context, Reducer, Reduction, Stage
from tokred.methods.options import DynamicViTOptions
from tokred.methods.tokens import at_least_float32
from tokred.validation import Strict


class DynamicViT(Reducer):
    """Keeps the K_s tokens with the largest keep score; in training it masks keys instead.

    Training draws a straight-through Gumbel-softmax decision for each token (times the decision of the
    previous stage), which masks the token as a key in all later blocks, and adds the loss
    `ratio_weight * mean over stages of (mean decision - r**s)**2`.
    """

    options: DynamicViTOptions

    has_key_weights = True

    def __init__(self, stage: Stage, options: Strict) -> None:
        super().__init__(stage, options)
        width = stage.embed_dim
        self.local = nn.Sequential(nn.LayerNorm(width, eps=1e-5), nn.Linear(width, width), nn.GELU())
        self.head = nn.Sequential(
            nn.Linear(width, width // 2),
            nn.GELU(),
            nn.Linear(width // 2, width // 4),
            nn.GELU(),
            nn.Linear(width // 4, 2),
            nn.LogSoftmax(dim=-1),
        )

    @property
    def has_key_weights_now(self) -> bool:
        """In training, dropped tokens stay, with weight 0."""
        return self.training

    def _log_probability(self, x: Tensor, policy: Tensor | None) -> Tensor:
        """(B, N, 2) log probabilities of keep and drop."""
        local, shared = self.local(x).chunk(2, dim=-1)
        keep_mask = torch.ones_like(x[..., :1]) if policy is None else policy.unsqueeze(-1)
        mean = (shared * keep_mask).sum(dim=1, keepdim=True) / (keep_mask.sum(dim=1, keepdim=True) + 1e-6)
        return self.head(torch.cat([local, mean.expand_as(local).to(local.dtype)], dim=-1))

    def forward(self, x: Tensor, context: Context) -> Reduction:
        if not self.training:
            scores = self._log_probability(x, None)[..., 0]
            return Reduction(anchor=scores.topk(min(self.stage.budget, x.shape[1]), dim=1).indices)
        log_probability = at_least_float32(self._log_probability(x, context.policy))
        decision = F.gumbel_softmax(log_probability, tau=1.0, hard=True)[..., 0]
        if context.policy is not None:
            decision = decision * context.policy
        excess = (decision.mean(dim=1) - self.stage.share).square().mean()
        return Reduction(policy=decision, loss=self.options.ratio_weight / self.stage.num_stages * excess)
