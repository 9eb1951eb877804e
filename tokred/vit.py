"""A timm Vision Transformer that reduces its tokens.

The core knows no method: it runs the blocks, calls each stage's `Reducer` at its site, and hands what the
record says on to later blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tokred.attention import BlockAttention, key_bias
from tokred.methods.base import Context, Reducer, Reduction, Site
from tokred.tokens import gather_tokens
from tokred.trace import Trace, Tracer


@dataclass
class State:
    """What one forward pass carries from block to block.

    Attributes:
        weight, policy: see `Reduction`; of the spatial tokens, None for all ones.
        attn: attention of the block before, where a method asked for it.
        loss: sum of the stages' auxiliary losses.
        tracer: collects the patterns, None for a plain pass.
        only_cls: whether nothing but the CLS token is wanted after the last block.
    """

    weight: Tensor | None = None
    policy: Tensor | None = None
    attn: BlockAttention | None = None
    loss: Tensor | None = None
    tracer: Tracer | None = None
    only_cls: bool = False


class ReducedVisionTransformer(VisionTransformer):
    """A `VisionTransformer` with reduction stages; made by `tokred.reduce`.

    It has the ViT's parameters under the ViT's names, and those of the method under `reducers`.

    Attributes:
        method: name of the method.
        keep_rate: canonical text of r.
        locations: block in which each stage acts.
        reducers: one `Reducer` a stage; empty for the unreduced model.
        needs_attention: whether stages read the attention of the block before.
        extra_loss: the method's auxiliary loss of the last forward pass (a scalar, to be added to the
            task's loss while training), None where the method has none.
    """

    method: str
    keep_rate: str
    locations: tuple[int, ...]
    reducers: nn.ModuleList
    needs_attention: bool
    extra_loss: Tensor | None

    def forward_features(self, x: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        """(B, prefix + K, D) normalised tokens after all blocks."""
        _refuse_mask(attn_mask, is_causal)
        return self._encode(x, State())

    def forward(self, x: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        """(B, num_classes) logits of (B, 3, height, width) images."""
        _refuse_mask(attn_mask, is_causal)
        state = State(only_cls=self._only_cls)
        return self._classify(self._encode(x, state), state)

    def trace(self, x: Tensor) -> tuple[Tensor, Trace]:
        """Logits, and what became of every input token; see `tokred.trace.Trace`."""
        state = State(tracer=Tracer(self.patch_embed.num_patches), only_cls=self._only_cls)
        return self._classify(self._encode(x, state), state), state.tracer.result()

    @property
    def _only_cls(self) -> bool:
        """Whether the classifier looks at CLS alone, so that the last block need not update other tokens.

        An unreduced model is timm's, bit for bit: timm's code runs all of it.
        """
        return self.global_pool == "token" and len(self.reducers) > 0

    def _encode(self, x: Tensor, state: State) -> Tensor:
        x = self.norm_pre(self._pos_embed(self.patch_embed(x)))
        if self._spatial(x).shape[1] != self.patch_embed.num_patches:
            raise ValueError(
                f"the image gives {self._spatial(x).shape[1]} tokens, but the stages were built for "
                f"{self.patch_embed.num_patches}: call vit.set_input_size(...) before tokred.reduce"
            )
        stages = dict(zip(self.locations, self.reducers, strict=True)) if self.reducers else {}
        last = len(self.blocks) - 1
        for index, block in enumerate(self.blocks):
            keep_attention = self.needs_attention and index + 1 in stages
            x = self._block(block, stages.get(index), x, state, keep_attention)
            if state.tracer is not None:
                for _ in range((index in self.locations) + (index == last)):
                    state.tracer.add_cls(x[:, 0])
        self.extra_loss = state.loss
        return self.norm(x)

    def _block(
        self, block: Block, reducer: Reducer | None, x: Tensor, state: State, keep_attention: bool
    ) -> Tensor:
        """One block, with the stage that acts in it if there is one.

        Where only CLS is wanted after the last block, its other tokens are keys and values and nothing else.
        """
        if reducer is not None and reducer.site is Site.BEFORE:
            x = self._replace(x, self._reduce(reducer, x, state))
            reducer = None
        only_cls = reducer is None and state.only_cls and block is self.blocks[-1]
        if reducer is None and state.policy is None and not keep_attention and not only_cls:
            return self._plain(block, x, state)
        view = BlockAttention(block.attn, block.norm1(x), state.weight, state.policy, self.num_prefix_tokens)
        state.attn = view
        rows = None
        if reducer is not None and reducer.site is Site.WITHIN:
            rows = self._rows(self._reduce(reducer, x, state).anchor)
        elif only_cls:
            rows = torch.zeros(x.shape[0], 1, dtype=torch.long, device=x.device)
        if rows is not None:
            x = gather_tokens(x, rows)
        x = x + block.drop_path1(block.ls1(view.output(rows)))
        if reducer is not None and reducer.site is Site.AFTER:
            x = self._replace(x, self._reduce(reducer, x, state))
        return x + block.drop_path2(block.ls2(block.mlp(block.norm2(x))))

    def _plain(self, block: Block, x: Tensor, state: State) -> Tensor:
        """A block in which nothing happens, run by timm's own code."""
        bias = key_bias(state.weight, self.num_prefix_tokens)
        bias = None if bias is None else bias.to(x.dtype)
        if self.grad_checkpointing and torch.is_grad_enabled():
            return checkpoint(block, x, bias, use_reentrant=False)
        return block(x, attn_mask=bias)

    def _reduce(self, reducer: Reducer, x: Tensor, state: State) -> Reduction:
        """Ask a stage, and keep for later blocks what it returns."""
        tokens = self._spatial(x)
        context = Context(state.attn, state.weight, state.policy, trace=state.tracer is not None)
        reduction = reducer(tokens, context)
        state.attn, state.weight, state.policy = None, reduction.weight, reduction.policy
        if reduction.loss is not None:
            state.loss = reduction.loss if state.loss is None else state.loss + reduction.loss
        if state.tracer is not None:
            state.tracer.add(reduction, tokens)
        return reduction

    def _replace(self, x: Tensor, reduction: Reduction) -> Tensor:
        """(B, prefix + K, D): prefix tokens and the stage's slots."""
        if reduction.tokens is not None:
            return torch.cat([x[:, : self.num_prefix_tokens], reduction.tokens], dim=1)
        return x if reduction.anchor is None else gather_tokens(x, self._rows(reduction.anchor))

    def _rows(self, anchor: Tensor) -> Tensor:
        """(B, prefix + K) rows of the prefix and of the anchored tokens (any row for padding)."""
        prefix = torch.arange(self.num_prefix_tokens, device=anchor.device).expand(anchor.shape[0], -1)
        return torch.cat([prefix, anchor.clamp(min=0) + self.num_prefix_tokens], dim=1)

    def _spatial(self, x: Tensor) -> Tensor:
        return x[:, self.num_prefix_tokens :]

    def _classify(self, x: Tensor, state: State) -> Tensor:
        """Logits; a mean over tokens counts each by its weight (padding 0, merged tokens their size)."""
        weight = state.weight if state.policy is None else state.policy
        if weight is None or self.global_pool != "avg":
            return self.forward_head(x)
        share = (weight / weight.sum(dim=1, keepdim=True)).to(x.dtype)
        pooled = (self._spatial(x) * share.unsqueeze(-1)).sum(dim=1)
        return self.head(self.head_drop(self.fc_norm(pooled)))


def _refuse_mask(attn_mask: Tensor | None, is_causal: bool) -> None:
    if attn_mask is not None or is_causal:
        raise ValueError("a reduced ViT takes no attention mask: its tokens do not last")
