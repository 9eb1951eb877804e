"""The attention of one timm block, with the rows of the attention matrix that reduction methods ask for.

The output is computed by the fused kernel. Scores are computed explicitly only for the rows asked for, and in
training under a DynamicViT policy, which the fused kernel does not support.

Shape legend: B images, H heads, N spatial tokens, M = prefix + N all tokens (CLS and registers first), R
query rows that are computed (M, or fewer), D width, d = D / H width of a head.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from timm.layers import Attention
from torch import Tensor, nn

from tokred.methods.tokens import at_least_float32, gather_tokens, sum_by_slot


def key_bias(weight: Tensor | None, num_prefix: int, dtype: torch.dtype) -> Tensor | None:
    """(B, 1, 1, M) attention bias log(weight) from (B, N) key weights; prefix tokens have weight 1."""
    if weight is None:
        return None
    bias = weight.to(torch.promote_types(dtype, weight.dtype)).log()
    return F.pad(bias, (num_prefix, 0))[:, None, None, :].to(dtype)


class BlockAttention:
    """Queries, keys and values of one attention layer on one batch.

    Args:
        attn: the block's attention layer.
        x: (B, M, D) its input, after the block's norm.
        bias: (B, 1, 1, M) bias that is added to the attention logits, see `key_bias`, or None.
        policy: (B, N) DynamicViT's differentiable decisions, which mask spatial tokens as keys, or None.
        num_prefix: number of prefix tokens (CLS, registers).
        with_values: whether values are computed; without them there is no `output`.

    Attributes:
        probabilities: (B, H, M, M) attention probabilities for `output`, in place of its own; None for those.
    """

    v_BHMd: Tensor

    def __init__(
        self,
        attn: Attention,
        x: Tensor,
        bias: Tensor | None,
        policy: Tensor | None,
        num_prefix: int,
        with_values: bool = True,
    ) -> None:
        if with_values:
            q, k, self.v_BHMd = _project_in(attn, x, slice(3))
        else:
            q, k = _project_in(attn, x, slice(2))
        self.q_BHMd, self.k_BHMd = attn.q_norm(q), attn.k_norm(k)
        self.probabilities: Tensor | None = None
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

    def attention_received(self) -> Tensor:
        """(B, N) attention received: column sums of the attention matrix, over all queries and heads."""
        return self._scores(self.q_BHMd).softmax(dim=-1).sum(dim=(1, 2))[:, self.num_prefix :]

    def all_probabilities(self) -> Tensor:
        """(B, H, M, M) softmax attention of all queries to all keys, prefix tokens included."""
        return self._scores(self.q_BHMd).softmax(dim=-1)

    def output(self, rows: Tensor | None = None) -> Tensor:
        """(B, R, D) output of the layer at (B, R) query rows, all rows by default."""
        attn, q = self.attn, _select_rows(self.q_BHMd, rows)
        if self.probabilities is not None:
            probabilities = attn.attn_drop(_select_rows(self.probabilities, rows))
            out = probabilities.to(self.v_BHMd.dtype) @ self.v_BHMd
        elif self.policy is not None:
            out = self._softmax_with_policy(self.policy, rows)
        else:
            dropout = attn.attn_drop.p if attn.training else 0.0
            out = F.scaled_dot_product_attention(
                q, self.k_BHMd, self.v_BHMd, attn_mask=self.bias, dropout_p=dropout, scale=attn.scale
            )
        return project(attn, out, self.x, rows)

    def _softmax_with_policy(self, policy: Tensor, rows: Tensor | None, eps: float = 1e-6) -> Tensor:
        """(B, H, R, d) attention under a policy, as DynamicViT's function of this name, in less memory.

        Let a_ij be the logit of query i and key j, e_ij = exp(a_ij - max_j a_ij), and m_j the decision to
        keep token j (1 for prefix tokens). A query always sees its own key, so the mask is
        G_ij = m_j + (1 - m_j) [i = j], and the attention matrix and its output are

            A_ij = (e_ij G_ij + eps / M) / (sum_k e_ik G_ik + eps)
            o_i = sum_j A_ij v_j = (sum_j e_ij G_ij v_j + eps / M sum_j v_j) / (sum_j e_ij G_ij + eps)

        Both sums over G split into a product with masked values and one term for the query's own key,

            sum_j e_ij G_ij v_j = sum_j e_ij (m_j v_j) + e_ii (1 - m_i) v_i

        and the same with v = 1, so that no mask of shape (B, H, M, M) is formed. Attention dropout acts on e,
        before the normalization.

        Args:
            policy: (B, N) decisions m of the spatial tokens.
            rows: (B, R) query rows, None for all.
        """
        keep_mask = F.pad(policy, (self.num_prefix, 0), value=1.0)[:, None, :, None]
        q = _select_rows(self.q_BHMd, rows)
        logits = self._scores(q)
        row_max = self._row_max(logits.detach(), q)
        exp_logits = self.attn.attn_drop(logits.sub_(row_max).exp_().to(self.v_BHMd.dtype))
        values = F.pad(self.v_BHMd, (0, 1), value=1.0)  # a column of ones: its output is the denominator
        sums = exp_logits @ (keep_mask * values).to(exp_logits.dtype)
        self_logit = (q * self.attn.scale * _select_rows(self.k_BHMd, rows)).sum(dim=-1, keepdim=True)
        if self.bias is not None:
            self_logit = self_logit + _select_rows(self.bias.transpose(-2, -1), rows)
        self_weight = (self_logit - row_max).exp() * (1.0 - _select_rows(keep_mask, rows))
        sums = sums + self_weight * _select_rows(values, rows)
        numerator = sums[..., :-1] + eps / values.shape[2] * self.v_BHMd.sum(dim=2, keepdim=True)
        return (numerator / (sums[..., -1:] + eps)).to(self.v_BHMd.dtype)

    def _row_max(self, logits: Tensor, q: Tensor) -> Tensor:
        """(B, H, R, 1) largest logit of each query, differentiable.

        It is computed again from its key: the gradient of the maximum would need a copy of all logits.
        """
        top = logits.max(dim=-1, keepdim=True)
        keys = self.k_BHMd.gather(2, top.indices.expand(-1, -1, -1, q.shape[-1]))
        logit = (q * self.attn.scale * keys).sum(dim=-1, keepdim=True)
        return top.values + (logit - logit.detach())


@dataclass(frozen=True)
class MergedAttention:
    """Attention of R merged tokens, in terms of the M tokens of which they are made.

    As a key, a merged token has the sum of its tokens' columns of the attention matrix; as a query, it has a
    weighted mean of their rows.

    Attributes:
        probabilities: (B, H, M, M) attention of all tokens, prefix tokens included.
        assign: (B, M) merged token that each token is part of.
        share: (B, M) weight of each token in the mean; the sum is 1 for each merged token.
    """

    probabilities: Tensor
    assign: Tensor
    share: Tensor

    def output(self, attn: Attention, x: Tensor) -> Tensor:
        """(B, R, D) output of an attention layer for (B, R, D) merged tokens, after the block's norm.

        The matrix itself is not merged. Its tokens get the value of their merged token instead, which sums
        columns, and their outputs are averaged, which averages rows: both have few numbers in comparison.
        """
        (values,) = _project_in(attn, x, slice(2, 3))
        out = attn.attn_drop(self.probabilities).to(values.dtype) @ _select_rows(values, self.assign)
        parts = out.transpose(1, 2).flatten(2) * self.share.unsqueeze(-1)
        merged = sum_by_slot(parts, self.assign, x.shape[1]).to(values.dtype)
        return project(attn, merged.unflatten(2, (attn.num_heads, attn.head_dim)).transpose(1, 2), x)


def _project_in(attn: Attention, x: Tensor, parts: slice) -> tuple[Tensor, ...]:
    """The (B, H, M, d) parts of queries, keys and values that a slice selects.

    Where fewer than three are selected, the others are not computed, unless the layer has to be called: if it
    is an adapter (LoRA, quantized weights) or has hooks.
    """
    shape = (attn.num_heads, attn.head_dim)
    first, last = parts.start or 0, parts.stop
    if last - first == 3 or not _is_plain(attn.qkv):
        heads = attn.qkv(x).unflatten(2, (3, *shape))[:, :, first:last]
    else:
        width = attn.num_heads * attn.head_dim
        rows = slice(first * width, last * width)
        bias = attn.qkv.bias
        projected = F.linear(x, attn.qkv.weight[rows], None if bias is None else bias[rows])
        heads = projected.unflatten(2, (last - first, *shape))
    return heads.permute(2, 0, 3, 1, 4).unbind(0)


def _is_plain(layer: nn.Module) -> bool:
    """Whether a layer is what its weights say: a linear layer without hooks, adapters or another forward."""
    return type(layer) is nn.Linear and "forward" not in vars(layer) and not have_hooks(layer)


def have_hooks(*modules: nn.Module) -> bool:
    """Whether hooks are registered on any of these modules."""
    return any(
        m._forward_hooks or m._forward_pre_hooks or m._backward_hooks or m._backward_pre_hooks
        for m in modules
    )


def _select_rows(x_BHMd: Tensor, rows: Tensor | None) -> Tensor:
    """(B, H, R, d) rows of (B, H, M, d) at (B, R) indices; all rows by default."""
    if rows is None:
        return x_BHMd
    return gather_tokens(x_BHMd.transpose(1, 2), rows).transpose(1, 2)


def project(attn: Attention, out_BHRd: Tensor, x: Tensor, rows: Tensor | None = None) -> Tensor:
    """(B, R, D) merged and projected heads; a gate, if any, gets the (B, M, D) input at these rows."""
    out = attn.norm(out_BHRd.transpose(1, 2).flatten(2))
    gate = getattr(attn, "gate", None)  # timm's layer has had a gate since 1.0.26
    if gate is not None:
        out = out * gate(x if rows is None else gather_tokens(x, rows)).sigmoid()
    return attn.proj_drop(attn.proj(out))
