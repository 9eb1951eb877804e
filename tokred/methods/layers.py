"""What differs among timm's attention layers: projections of tokens to heads, and of heads to tokens.

An `AttentionLayer` reads one layer. Every layer is brought to the same form: H heads of queries, keys and
values, one softmax for each, and a projection of all heads. Grouped keys and values are repeated for their
heads, the two maps of differential attention are heads of their own, and so are those of parallel attention
layers.

Shape legend: see `tokred.methods.attention`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from timm.layers import DiffAttention
from timm.models.vision_transformer import (
    DiffParallelScalingBlock,
    ParallelScalingBlock,
    ParallelThingsBlock,
)
from torch import Tensor, nn

from tokred.methods.tokens import gather_tokens

#: Parts of a projection, see `AttentionLayer.project_in`.
QKV, QK, V = slice(3), slice(2), slice(2, 3)


class Heads(NamedTuple):
    """Result of `AttentionLayer.project_in`.

    Attributes:
        parts: (B, H, M, d) queries, keys and values, as far as asked for; queries and keys are normalized.
        rest: (B, M, C) what `project_out` needs besides the heads: the layer's input, or hidden features.
    """

    parts: tuple[Tensor, ...]
    rest: Tensor


class AttentionLayer:
    """An attention layer with one projection of its output (timm's `Attention`, `AttentionRope`, ...).

    Args:
        module: the layer; a block where timm has no layer of its own for attention.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module: Any = module

    @property
    def scale(self) -> float:
        """Factor on the products of queries and keys."""
        return float(self.module.scale)

    @property
    def num_heads(self) -> int:
        """Number of heads of the layer (of one of them, if there are several), as timm counts them."""
        return int(self.module.num_heads)

    @property
    def attn_drop(self) -> nn.Dropout:
        """Dropout of attention probabilities."""
        dropout: nn.Dropout = self.module.attn_drop
        return dropout

    @property
    def rotates_halves(self) -> bool:
        """Layout of rotary position embeddings: pairs are the halves of a head, not its neighbors."""
        return bool(getattr(self.module, "rotate_half", False))

    def normalize(self, x: Tensor) -> Tensor:
        """(B, M, D) input of the projections (of the first, if there are several layers)."""
        return x

    def project_in(self, x: Tensor, parts: slice = QKV) -> Heads:
        """Heads of (B, M, D) normalized tokens: queries, keys and values, or some of them (`QK`, `V`)."""
        return Heads(self._normalized(self._split(_projected(self.module, x, parts), parts), parts), x)

    def project_out(self, out_BHRd: Tensor, rest: Tensor, rows: Tensor | None = None) -> Tensor:
        """(B, R, D) output of the heads; `rest` has all M tokens, of which the (B, R) rows are used."""
        attn = self.module
        out = out_BHRd.transpose(1, 2).flatten(2)
        norm, gate = (
            getattr(attn, "norm", None),
            getattr(attn, "gate", None),
        )  # not in every layer and release
        if norm is not None:
            out = norm(out)
        if gate is not None:
            out = out * gate(_rows(rest, rows)).sigmoid()
        output: Tensor = attn.proj_drop(attn.proj(out))
        return output

    def _split(self, projected: tuple[Tensor, ...], parts: slice) -> tuple[Tensor, ...]:
        """The heads of the (B, M, C) parts."""
        heads = [
            part.unflatten(-1, (self._num_split(index), -1)) for index, part in _numbered(projected, parts)
        ]
        split = [part.transpose(1, 2) for part in heads]
        groups = getattr(self.module, "num_kv_groups", 1)
        if groups > 1:  # timm repeats keys after their norm and rotation, which act on each head alike
            split = [
                part if index == 0 else part.repeat_interleave(groups, dim=1)
                for index, part in _numbered(tuple(split), parts)
            ]
        return tuple(split)

    def _num_split(self, part: int) -> int:
        """Number of heads into which projected queries (0), keys (1) or values (2) split."""
        groups = 1 if part == 0 else int(getattr(self.module, "num_kv_groups", 1))
        return self.num_heads // groups

    def _normalized(self, heads: tuple[Tensor, ...], parts: slice) -> tuple[Tensor, ...]:
        """The heads after the norms of queries and keys, where the layer has them."""
        norms = (getattr(self.module, "q_norm", None), getattr(self.module, "k_norm", None), None)
        return tuple(
            part if norms[index] is None else norms[index](part)  # type: ignore[misc]  # mypy: Optional callable
            for index, part in _numbered(heads, parts)
        )


class _Differential(AttentionLayer):
    """`DiffAttention`: the difference of two attention maps, each of which is a head here."""

    def project_out(self, out_BHRd: Tensor, rest: Tensor, rows: Tensor | None = None) -> Tensor:
        return super().project_out(_difference(self.module, out_BHRd), rest, rows)

    def _num_split(self, part: int) -> int:
        return self.num_heads * (1 if part == 2 else 2)

    def _split(self, projected: tuple[Tensor, ...], parts: slice) -> tuple[Tensor, ...]:
        split = super()._split(projected, parts)
        return tuple(
            part.repeat_interleave(2, dim=1) if index == 2 else part
            for index, part in _numbered(split, parts)
        )


class _ParallelScaling(AttentionLayer):
    """A block whose attention and MLP share their projections: the output has both."""

    def normalize(self, x: Tensor) -> Tensor:
        normalized: Tensor = self.module.in_norm(x)
        return normalized

    def project_in(self, x: Tensor, parts: slice = QKV) -> Heads:
        block = self.module
        hidden, *projected = torch.split(block.in_proj(self.normalize(x)), block.in_split, dim=-1)
        if block.mlp_bias is not None:
            hidden = hidden + block.mlp_bias
        chosen = tuple(projected[parts])
        return Heads(self._normalized(self._split(chosen, parts), parts), hidden)

    def project_out(self, out_BHRd: Tensor, rest: Tensor, rows: Tensor | None = None) -> Tensor:
        block = self.module
        attended = out_BHRd.transpose(1, 2).flatten(2)
        hidden = block.mlp_drop(block.mlp_act(_rows(rest, rows)))
        if block.out_proj is not None:
            output: Tensor = block.out_proj(torch.cat((attended, hidden), dim=-1))
        else:
            output = block.attn_out_proj(attended) + block.mlp_out_proj(hidden)
        return output


class _DiffParallelScaling(_Differential, _ParallelScaling):
    """The same with the difference of two attention maps."""


class _ParallelThings(AttentionLayer):
    """A block of several attention layers, whose heads stand side by side and whose outputs are added."""

    @property
    def _branches(self) -> list[Any]:
        return list(self.module.attns)

    @property
    def scale(self) -> float:
        return float(self._branches[0].attn.scale)

    @property
    def num_heads(self) -> int:
        return int(self._branches[0].attn.num_heads)

    @property
    def attn_drop(self) -> nn.Dropout:
        dropout: nn.Dropout = self._branches[0].attn.attn_drop
        return dropout

    def normalize(self, x: Tensor) -> Tensor:
        normalized: Tensor = self._branches[0].norm(x)
        return normalized

    def project_in(self, x: Tensor, parts: slice = QKV) -> Heads:
        heads = [layer_of(branch.attn).project_in(branch.norm(x), parts).parts for branch in self._branches]
        return Heads(tuple(torch.cat(part, dim=1) for part in zip(*heads, strict=True)), x)

    def project_out(self, out_BHRd: Tensor, rest: Tensor, rows: Tensor | None = None) -> Tensor:
        outputs = []
        for branch, out in zip(self._branches, out_BHRd.chunk(len(self._branches), dim=1), strict=True):
            inner = layer_of(branch.attn)
            # Only a gate reads the layer's input again.
            gated = getattr(branch.attn, "gate", None) is not None
            output = inner.project_out(out, branch.norm(rest) if gated else rest, rows)
            outputs.append(branch.drop_path(branch.ls(output)))
        return torch.stack(outputs).sum(dim=0)


_SPECIAL: dict[type[nn.Module], type[AttentionLayer]] = {
    DiffAttention: _Differential,
    ParallelScalingBlock: _ParallelScaling,
    DiffParallelScalingBlock: _DiffParallelScaling,
    ParallelThingsBlock: _ParallelThings,
}


def layer_of(module: nn.Module) -> AttentionLayer:
    """How to read a timm layer, or one derived from it."""
    for kind, adapter in _SPECIAL.items():
        if isinstance(module, kind):
            return adapter(module)
    return AttentionLayer(module)


def _projected(attn: Any, x: Tensor, parts: slice) -> tuple[Tensor, ...]:
    """The (B, M, C) parts of queries, keys and values.

    Where fewer than three are selected, the others are not computed, unless the layer has to be called: if it
    is an adapter (LoRA, quantized weights) or has hooks.
    """
    if attn.qkv is None:
        return tuple(layer(x) for layer in (attn.q_proj, attn.k_proj, attn.v_proj)[parts])
    first, last = parts.start or 0, parts.stop
    fixed, is_plain = _fixed_bias(attn), _is_plain(attn.qkv)
    if not is_plain or (last - first == 3 and fixed is None):
        whole: Tensor = attn.qkv(x)
        return (whole if fixed is None else whole + fixed).chunk(3, dim=-1)[parts]
    width = attn.qkv.out_features // 3
    rows = slice(first * width, last * width)
    bias = attn.qkv.bias if fixed is None else fixed
    projected = F.linear(x, attn.qkv.weight[rows], None if bias is None else bias[rows])
    return projected.chunk(last - first, dim=-1)


def _fixed_bias(attn: Any) -> Tensor | None:
    """The (3 C,) biases of a layer that has none for keys (EVA, BEiT); None if its projection has its own."""
    if getattr(attn, "q_bias", None) is None:
        return None
    return torch.cat((attn.q_bias, attn.k_bias, attn.v_bias))


def _is_plain(layer: nn.Module) -> bool:
    """Whether a layer is what its weights say: a linear layer without hooks, adapters or another forward."""
    return type(layer) is nn.Linear and "forward" not in vars(layer) and not have_hooks(layer)


def have_hooks(*modules: nn.Module) -> bool:
    """Whether hooks are registered on any of these modules."""
    return any(
        m._forward_hooks or m._forward_pre_hooks or m._backward_hooks or m._backward_pre_hooks
        for m in modules
    )


def _difference(attn: Any, out_BHRd: Tensor) -> Tensor:
    """(B, H / 2, R, d) normalized difference of the outputs of two attention maps."""
    first, second = out_BHRd.unflatten(1, (-1, 2)).unbind(2)
    out = first - attn._compute_lambda().type_as(first) * second
    normalized: Tensor = attn.sub_norm(out) * (1 - attn.lambda_init)
    return normalized


def _numbered(parts: tuple[Tensor, ...], chosen: slice) -> list[tuple[int, Tensor]]:
    """The parts with their numbers: 0 for queries, 1 for keys, 2 for values."""
    return list(enumerate(parts, chosen.start or 0))


def _rows(x: Tensor, rows: Tensor | None) -> Tensor:
    """(B, R, C) rows of (B, M, C) at (B, R) indices; all rows by default."""
    return x if rows is None else gather_tokens(x, rows)
