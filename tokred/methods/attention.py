"""The attention of one timm block, with the score rows that reduction methods ask for.

The output is always computed by the fused kernel; explicit scores are formed for the asked rows only.

Shapes: B images, H heads, M = prefix + N tokens, R query rows, D width, d width of a head.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from timm.layers import Attention
from torch import Tensor

from tokred.methods.tokens import at_least_float32, gather_tokens


def key_bias(weight: Tensor | None, num_prefix: int, dtype: torch.dtype) -> Tensor | None:
    """(B, 1, 1, M) additive bias log(weight) of (B, N) key weights; prefix tokens weigh 1."""
    if weight is None:
        return None
    bias = weight.to(torch.promote_types(dtype, weight.dtype)).log()
    return F.pad(bias, (num_prefix, 0))[:, None, None, :].to(dtype)


class BlockAttention:
    """Queries, keys and values of one attention layer on one batch.

    Args:
        attn: the block's attention layer.
        x: (B, M, D) its input, after the block's norm.
        bias: (B, 1, 1, M) additive bias of the keys, see `key_bias`, or None.
        policy: (B, N) differentiable decisions that mask the spatial tokens as keys, or None.
        num_prefix: number of prefix tokens (CLS, registers).
    """

    def __init__(
        self, attn: Attention, x: Tensor, bias: Tensor | None, policy: Tensor | None, num_prefix: int
    ) -> None:
        batch, length, _ = x.shape
        qkv = attn.qkv(x).reshape(batch, length, 3, attn.num_heads, attn.head_dim)
        q, k, self.v_BHMd = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        self.q_BHMd, self.k_BHMd = attn.q_norm(q), attn.k_norm(k)
        self.bias = None if bias is None else bias.to(self.q_BHMd.dtype)
        self.attn, self.x, self.policy, self.num_prefix = attn, x, policy, num_prefix

    @property
    def keys(self) -> Tensor:
        """(B, H, N, d) keys of the spatial tokens."""
        return self.k_BHMd[:, :, self.num_prefix :]

    @property
    def values(self) -> Tensor:
        """(B, H, N, d) values of the spatial tokens."""
        return self.v_BHMd[:, :, self.num_prefix :]

    def _scores(self, q_BHRd: Tensor) -> Tensor:
        scores = (q_BHRd * self.attn.scale) @ self.k_BHMd.transpose(-2, -1)
        return at_least_float32(scores if self.bias is None else scores + self.bias)

    def cls_scores(self) -> Tensor:
        """(B, H, N) softmax attention from the CLS query to the spatial tokens."""
        return self._scores(self.q_BHMd[:, :, :1]).softmax(dim=-1)[:, :, 0, self.num_prefix :]

    def received(self) -> Tensor:
        """(B, N) attention that spatial tokens get from all queries and heads, summed."""
        return self._scores(self.q_BHMd).softmax(dim=-1).sum(dim=(1, 2))[:, self.num_prefix :]

    def output(self, rows: Tensor | None = None) -> Tensor:
        """(B, R, D) output of the layer for the given (B, R) query rows, all rows by default."""
        attn, q = self.attn, _at(self.q_BHMd, rows)
        if self.policy is not None:
            out = self._softly_masked(rows)
        else:
            dropout = attn.attn_drop.p if attn.training else 0.0
            out = F.scaled_dot_product_attention(
                q, self.k_BHMd, self.v_BHMd, attn_mask=self.bias, dropout_p=dropout, scale=attn.scale
            )
        return project(attn, out, self.x, rows)

    def _softly_masked(self, rows: Tensor | None, eps: float = 1e-6) -> Tensor:
        """Attention under `policy` (DynamicViT, while training), differentiable in the decisions.

        `(exp(a - max) * m + eps / M) / (sum(exp(a - max) * m) + eps)`, m the decision for the key, and 1 on
        the diagonal and for prefix tokens. As m is the same for all queries but for the diagonal, masked sums
        are products with masked values, and each query adds its own key: nothing of (B, H, M, M) is masked. A
        layer's dropout acts before weights are normalised.
        """
        alive = F.pad(self.policy, (self.num_prefix, 0), value=1.0)[:, None, :, None]
        q = _at(self.q_BHMd, rows)
        scores = self._scores(q)
        highest = self._highest(scores.detach(), q)
        exponent = self.attn.attn_drop(scores.sub_(highest).exp_().to(self.v_BHMd.dtype))
        values = F.pad(self.v_BHMd, (0, 1), value=1.0)  # the last feature becomes the sum of the weights
        sums = exponent @ (alive * values).to(exponent.dtype)
        own = (q * self.attn.scale * _at(self.k_BHMd, rows)).sum(dim=-1, keepdim=True)
        if self.bias is not None:
            own = own + _at(self.bias.transpose(-2, -1), rows)
        sums = sums + (own - highest).exp() * (1.0 - _at(alive, rows)) * _at(values, rows)
        weighted = sums[..., :-1] + eps / values.shape[2] * self.v_BHMd.sum(dim=2, keepdim=True)
        return (weighted / (sums[..., -1:] + eps)).to(self.v_BHMd.dtype)

    def _highest(self, scores: Tensor, q: Tensor) -> Tensor:
        """(B, H, R, 1) largest score of each query, differentiable.

        The score is formed again from its key: the gradient would need a copy of all scores otherwise.
        """
        top = scores.max(dim=-1, keepdim=True)
        keys = self.k_BHMd.gather(2, top.indices.expand(-1, -1, -1, q.shape[-1]))
        score = (q * self.attn.scale * keys).sum(dim=-1, keepdim=True)
        return top.values + (score - score.detach())


def _at(x_BHMd: Tensor, rows: Tensor | None) -> Tensor:
    """(B, H, R, d) of (B, H, M, d) at (B, R) rows; all rows by default."""
    if rows is None:
        return x_BHMd
    return gather_tokens(x_BHMd.transpose(1, 2), rows).transpose(1, 2)


def project(attn: Attention, out_BHRd: Tensor, x: Tensor, rows: Tensor | None = None) -> Tensor:
    """(B, R, D) heads merged and projected; a layer with a gate looks at its input `x` at the same rows."""
    out = attn.norm(out_BHRd.transpose(1, 2).flatten(2))
    gate = getattr(attn, "gate", None)  # timm's layer has had a gate since 1.0.26
    if gate is not None:
        out = out * gate(x if rows is None else gather_tokens(x, rows)).sigmoid()
    return attn.proj_drop(attn.proj(out))
