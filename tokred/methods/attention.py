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
from timm.layers import apply_rot_embed_cat
from torch import Tensor, nn

from tokred.methods.layers import QK, QKV, V, layer_of
from tokred.methods.tokens import at_least_float32, gather_tokens


def key_bias(weight: Tensor | None, num_prefix: int, dtype: torch.dtype) -> Tensor | None:
    """(B, 1, 1, M) attention bias log(weight) from (B, N) key weights; prefix tokens have weight 1."""
    if weight is None:
        return None
    bias = weight.to(torch.promote_types(dtype, weight.dtype)).log()
    return F.pad(bias, (num_prefix, 0))[:, None, None, :].to(dtype)


class BlockAttention:
    """Queries, keys and values of one attention layer on one batch.

    Args:
        attn: the block's attention layer; see `tokred.methods.layers`.
        x: (B, M, D) its input, after the block's norm.
        bias: bias that is added to the attention logits, or None: (B, 1, 1, M) of `key_bias`, or (B, H, M, M)
            where the layer has a relative position bias (1 for B or H broadcasts).
        policy: (B, N) DynamicViT's differentiable decisions, which mask spatial tokens as keys, or None.
        num_prefix: number of prefix tokens (CLS, registers).
        with_values: whether values are computed; without them there is no `output`.
        rope: rotary position embedding of the spatial tokens, timm's (N, 2 d), (H, N, 2 d) or with a first
            dimension B; None without.
        has_cls: whether the first prefix token is CLS.

    Attributes:
        probabilities: (B, H, M, M) attention probabilities for `output`, in place of its own; None for those.
    """

    v_BHMd: Tensor

    def __init__(
        self,
        attn: nn.Module,
        x: Tensor,
        bias: Tensor | None,
        policy: Tensor | None,
        num_prefix: int,
        with_values: bool = True,
        rope: Tensor | None = None,
        has_cls: bool = True,
    ) -> None:
        self.layer, self.x = layer_of(attn), x
        (q, k, *values), self.rest = self.layer.project_in(x, QKV if with_values else QK)
        if with_values:
            self.v_BHMd = values[0]
        self.num_prefix, self.has_cls = num_prefix, has_cls
        self._content_keys = k
        self.q_BHMd, self.k_BHMd = (q, k) if rope is None else (self._rotate(q, rope), self._rotate(k, rope))
        self.probabilities: Tensor | None = None
        self.bias = None if bias is None else bias.to(self.q_BHMd.dtype)
        self.attn, self.policy = attn, policy

    @property
    def normalized(self) -> Tensor:
        """(B, N, D) spatial tokens as the layer's projections get them."""
        return self.layer.normalize(self.x)[:, self.num_prefix :]

    @property
    def keys(self) -> Tensor:
        """(B, H, N, d) keys of the spatial tokens, before a rotary position embedding.

        Methods compare tokens by them, and rotated keys of alike tokens would differ by their distance.
        """
        return self._content_keys[:, :, self.num_prefix :]

    @property
    def values(self) -> Tensor:
        """(B, H, N, d) values of the spatial tokens."""
        return self.v_BHMd[:, :, self.num_prefix :]

    def _rotate(self, heads: Tensor, rope: Tensor) -> Tensor:
        """Queries or keys with the position of the spatial tokens."""
        prefix, spatial = heads[:, :, : self.num_prefix], heads[:, :, self.num_prefix :]
        rotated = apply_rot_embed_cat(spatial, rope, half=self.layer.rotates_halves)
        return torch.cat([prefix, rotated.to(heads.dtype)], dim=2)

    def _bias_rows(self, rows: Tensor | None) -> Tensor | None:
        """The bias of (B, R) query rows, None for all rows."""
        if self.bias is None or rows is None or self.bias.shape[2] == 1:
            return self.bias
        return _select_rows(self.bias.expand(rows.shape[0], -1, -1, -1), rows)

    def _scores(self, q_BHRd: Tensor, rows: Tensor | None = None) -> Tensor:
        """(B, H, R, M) logits of queries, which are the (B, R) rows, in single precision or better."""
        scores = (q_BHRd * self.layer.scale) @ self.k_BHMd.transpose(-2, -1)
        bias = self._bias_rows(rows)
        return at_least_float32(scores if bias is None else scores + bias)

    def cls_scores(self) -> Tensor:
        """(B, H, N) softmax attention from the CLS query to the spatial tokens.

        In a model without CLS, its substitute is the mean over the queries of all tokens, each of which
        counts once; padding does not count.
        """
        if not self.has_cls:
            return self._mean_over_queries()
        cls_query = self.q_BHMd[:, :, :1]
        if self.bias is None or self.bias.shape[2] == 1:
            scores = self._scores(cls_query)
        else:
            scores = self._scores(cls_query, torch.zeros_like(cls_query[:, 0, :, 0], dtype=torch.long))
        return scores.softmax(dim=-1)[:, :, 0, self.num_prefix :]

    def _mean_over_queries(self) -> Tensor:
        """(B, H, N) mean over queries of the attention to the spatial tokens."""
        attention = self._scores(self.q_BHMd).softmax(dim=-1)[..., self.num_prefix :]
        if self.bias is None:
            return attention.mean(dim=2)
        present = self.bias[:, :1, :1].isfinite().transpose(-2, -1)  # padding has the bias log(0)
        return (attention * present).sum(dim=2) / present.sum(dim=2)

    def attention_received(self) -> Tensor:
        """(B, N) attention received: column sums of the attention matrix, over all queries and heads."""
        return self._scores(self.q_BHMd).softmax(dim=-1).sum(dim=(1, 2))[:, self.num_prefix :]

    def all_probabilities(self) -> Tensor:
        """(B, H, M, M) softmax attention of all queries to all keys, prefix tokens included."""
        return self._scores(self.q_BHMd).softmax(dim=-1)

    def output(self, rows: Tensor | None = None) -> Tensor:
        """(B, R, D) output of the layer at (B, R) query rows, all rows by default."""
        q = _select_rows(self.q_BHMd, rows)
        if self.probabilities is not None:
            probabilities = self.layer.attn_drop(_select_rows(self.probabilities, rows))
            out = probabilities.to(self.v_BHMd.dtype) @ self.v_BHMd
        elif self.policy is not None:
            out = self._softmax_with_policy(self.policy, rows)
        else:
            dropout = self.layer.attn_drop.p if self.attn.training else 0.0
            out = F.scaled_dot_product_attention(
                q,
                self.k_BHMd,
                self.v_BHMd,
                attn_mask=self._bias_rows(rows),
                dropout_p=dropout,
                scale=self.layer.scale,
            )
        return self.layer.project_out(out, self.rest, rows)

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
        logits = self._scores(q, rows)
        row_max = self._row_max(logits.detach(), q)
        exp_logits = self.layer.attn_drop(logits.sub_(row_max).exp_().to(self.v_BHMd.dtype))
        values = F.pad(self.v_BHMd, (0, 1), value=1.0)  # a column of ones: its output is the denominator
        sums = exp_logits @ (keep_mask * values).to(exp_logits.dtype)
        self_logit = (q * self.layer.scale * _select_rows(self.k_BHMd, rows)).sum(dim=-1, keepdim=True)
        if self.bias is not None:
            own = self.bias.transpose(-2, -1)
            if self.bias.shape[2] > 1:
                own = self.bias.diagonal(dim1=-2, dim2=-1).unsqueeze(-1)
            self_logit = self_logit + _select_rows(own.expand(q.shape[0], -1, -1, -1), rows)
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
        logit = (q * self.layer.scale * keys).sum(dim=-1, keepdim=True)
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

    def output(self, attn: nn.Module, x: Tensor) -> Tensor:
        """(B, R, D) output of an attention layer for (B, R, D) merged tokens, after the block's norm.

        The matrix itself is not merged. Its tokens get the value of their merged token instead, which sums
        columns, and their outputs are averaged, which averages rows: both have few numbers in comparison.
        """
        layer = layer_of(attn)
        (values,), rest = layer.project_in(x, V)
        # In the order of the factors of products, which would copy them otherwise.
        index = self.assign[:, None, :, None].expand(-1, values.shape[1], -1, values.shape[3])
        out = layer.attn_drop(self.probabilities).to(values.dtype) @ values.gather(2, index)
        parts = out * self.share[:, None, :, None]
        merged = parts.new_zeros(values.shape).scatter_add(2, index, parts)
        return layer.project_out(merged.to(values.dtype), rest)


def _select_rows(x_BHMd: Tensor, rows: Tensor | None) -> Tensor:
    """(B, H, R, d) rows of (B, H, M, d) at (B, R) indices; all rows by default."""
    if rows is None:
        return x_BHMd
    return gather_tokens(x_BHMd.transpose(1, 2), rows).transpose(1, 2)
