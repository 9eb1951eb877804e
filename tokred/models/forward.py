"""A forward pass through the blocks of a reduced model: each stage's `Reducer` is called at its site.

It does not depend on any method: the key weights and the policy of a `Reduction` are passed on to later
blocks. What depends on timm's class is in the methods that the classes in `tokred.models.families` override.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tokred.methods import registry
from tokred.methods.attention import BlockAttention, key_bias
from tokred.methods.base import Context, Reducer, Reduction
from tokred.methods.tokens import gather_tokens
from tokred.models.blocks import BlockSequence, Inside
from tokred.models.forward_state import ForwardState
from tokred.models.pooling import weighted_mean
from tokred.models.slots import Slots
from tokred.schedules.macs import Site

if TYPE_CHECKING:  # stands for every class of timm with which this one is combined
    from timm.models.vision_transformer import VisionTransformer as TimmModel
else:
    TimmModel = nn.Module


class StageForward(TimmModel):
    """The part of a reduced model that runs blocks and stages.

    Attributes:
        own_attention: whether timm's blocks take no attention bias, so that each runs as a reduced block.
        pooled_prefix: number of prefix tokens that the classifier uses if it pools CLS.
        position_rule: position of a merged token, see `tokred.models.slots`.
    """

    own_attention: ClassVar[bool] = False
    pooled_prefix: ClassVar[int] = 1

    spec: registry.Method
    position_rule: str
    locations: tuple[int, ...]
    reducers: nn.ModuleList
    extra_loss: Tensor | None

    @property
    def needs_positions(self) -> bool:
        """Whether attention depends on the tokens' positions, so that every pass follows them."""
        return False

    @property
    def has_cls(self) -> bool:
        """Whether the model has a CLS token."""
        return has_cls(self)

    @property
    def _grid(self) -> tuple[int, int]:
        """(rows, columns) of the tokens of an image."""
        rows, columns = self.patch_embed.grid_size
        return rows, columns

    @property
    def num_tokens(self) -> int:
        """P, the number of spatial tokens of the input grid."""
        return self._grid[0] * self._grid[1]

    def _stages(self) -> list[Reducer]:
        """`reducers`, typed: PyTorch's `ModuleList` holds modules of any class."""
        return [reducer for reducer in self.reducers if isinstance(reducer, Reducer)]

    def _image_grid(self, x: Tensor) -> tuple[int, int]:
        """(rows, columns) of the tokens of images; timm checks the size of images itself if it is fixed."""
        if not getattr(self, "dynamic_img_size", False):
            return self._grid
        rows, columns = self.patch_embed.dynamic_feat_size((x.shape[2], x.shape[3]))
        return rows, columns

    def _check_grid(self, x: Tensor) -> None:
        """Raise ValueError for images whose token grid differs from the stages'."""
        grid, expected = self._image_grid(x), self._stages()[0].stage.grid
        if grid != expected:
            raise ValueError(
                f"the image gives {grid[0] * grid[1]} tokens ({grid[0]} x {grid[1]}), but stages were built "
                f"for {expected[0] * expected[1]} ({expected[0]} x {expected[1]}): call the model's "
                "set_input_size before"
            )

    def _embed(self, x: Tensor, state: ForwardState) -> Tensor:
        """(B, M, D) tokens before the first block; the state gets what attention needs of their positions."""
        tokens: Tensor = self.norm_pre(self.patch_drop(self._pos_embed(self.patch_embed(x))))
        return tokens

    def _block_arguments(self, state: ForwardState, index: int, x: Tensor) -> dict[str, Any]:
        """Arguments of a block besides the tokens: attention bias and position embedding."""
        return {"attn_mask": self._bias(state, x)}

    def _encode(self, x: Tensor, state: ForwardState) -> Tensor:
        """Tokens after all blocks and the last norm."""
        if self.reducers:
            self._check_grid(x)
        x = self._embed(x, state)
        spatial = self._spatial(x)
        if state.tracer is not None:
            state.tracer.start(spatial)
        if self.reducers:
            if state.tracer is not None or self.needs_positions:
                state.slots = Slots(spatial, self._grid, self.position_rule)
            state.carried = self._stages()[0].begin(spatial)
        run = partial(self._run_block, state)
        if isinstance(self.blocks, BlockSequence):
            x = self.blocks(x, run=run)
        else:
            for index, block in enumerate(self.blocks):
                x = run(index, block, x)
        self.extra_loss = state.loss
        return self.norm(x)

    def _run_block(self, state: ForwardState, index: int, block: nn.Module, x: Tensor) -> Tensor:
        """Run one block, with its stage if it has one."""
        if state.depth is not None and index >= state.depth:
            return x
        reducer = state.stages.get(index)
        if reducer is None:
            x = self._no_stage(state, index, block, x)
        elif self.spec.site is Site.BEFORE:
            x = self._stage_before(state, index, block, x, reducer)
        elif self.spec.site is Site.WITHIN:
            x = self._stage_within(state, index, block, x, reducer)
        elif self.spec.site is Site.REUSE:
            x = self._stage_reuse(state, index, block, x, reducer)
        else:
            x = self._stage_after(state, index, block, x, reducer)
        if state.tracer is not None:
            is_last = index == len(self.blocks) - 1
            state.tracer.leave(index, self._summary(state, x), is_last)
        if index in state.intermediate_blocks:
            slots = None if state.tracer is None else state.tracer.assign
            state.intermediates.append((self._without_padding(x, state.weight), slots))
        return x

    def _no_stage(self, state: ForwardState, index: int, block: nn.Module, x: Tensor) -> Tensor:
        """Run a block without a stage.

        If only the CLS token of the last block is used, the other tokens serve as keys and values only.
        """
        keep_attention = self.spec.needs_attention and index + 1 in state.stages
        only_cls = state.only_cls and index == len(self.blocks) - 1
        inside = None
        if keep_attention:
            inside = self._inside(state, choose_rows=partial(_keep_attention, state))
        elif only_cls:
            inside = self._inside(state, choose_rows=partial(_first_rows, self.pooled_prefix))
        elif state.policy is not None or self.own_attention:
            inside = self._inside(state)
        arguments = self._block_arguments(state, index, x)
        run = block if inside is None else partial(block, inside=inside)
        if self.grad_checkpointing and torch.is_grad_enabled() and not keep_attention:
            return checkpoint(run, x, use_reentrant=False, **arguments)
        return run(x, **arguments)

    def _stage_before(
        self, state: ForwardState, index: int, block: nn.Module, x: Tensor, reducer: Reducer
    ) -> Tensor:
        x = self._replace(x, self._reduce(reducer, x, state))
        return self._no_stage(state, index, block, x)

    def _stage_within(
        self, state: ForwardState, index: int, block: nn.Module, x: Tensor, reducer: Reducer
    ) -> Tensor:
        def choose(x: Tensor, attn: BlockAttention) -> Tensor:
            state.attn = attn
            anchor = self._reduce(reducer, x, state).anchor
            assert anchor is not None, "a stage within attention chooses tokens"
            return self._rows(anchor)

        arguments = self._block_arguments(state, index, x)
        return block(x, inside=self._inside(state, choose_rows=choose), **arguments)

    def _stage_reuse(
        self, state: ForwardState, index: int, block: nn.Module, x: Tensor, reducer: Reducer
    ) -> Tensor:
        def attend(attn: nn.Module, x: Tensor) -> Tensor:
            arguments = self._block_arguments(state, index, x)
            bias, rope = arguments["attn_mask"], arguments.get("rope")
            return BlockAttention(attn, x, bias, state.policy, self.num_prefix_tokens, rope=rope).output()

        def merge(x: Tensor, attn: BlockAttention) -> tuple[Tensor, Callable[[nn.Module, Tensor], Tensor]]:
            state.attn = attn
            reduction = self._reduce(reducer, x, state)
            merged = reduction.attention
            return self._replace(x, reduction), attend if merged is None else merged.output

        arguments = self._block_arguments(state, index, x)
        return block(x, inside=self._inside(state, merge=merge), **arguments)

    def _stage_after(
        self, state: ForwardState, index: int, block: nn.Module, x: Tensor, reducer: Reducer
    ) -> Tensor:
        def attend(x: Tensor, attn: BlockAttention) -> None:
            state.attn = attn
            attn.probabilities = reducer.attend(attn)

        def reduce_tokens(x: Tensor) -> Tensor:
            return self._replace(x, self._reduce(reducer, x, state))

        arguments = self._block_arguments(state, index, x)
        inside = self._inside(state, choose_rows=attend, before_mlp=reduce_tokens)
        return block(x, inside=inside, **arguments)

    def _inside(self, state: ForwardState, **work: Any) -> Inside:
        return Inside(self.num_prefix_tokens, state.policy, has_cls=self.has_cls, **work)

    def _reduce(self, reducer: Reducer, x: Tensor, state: ForwardState) -> Reduction:
        """Run a stage, and record its key weights, policy and loss for later blocks."""
        tokens = self._spatial(x)
        context = Context(
            attn=state.attn,
            weight=state.weight,
            size=state.size,
            policy=state.policy,
            state=state.carried,
            num_prefix=self.num_prefix_tokens,
            trace=state.slots is not None,
        )
        reduction = reducer(tokens, context)
        state.attn, state.weight, state.policy = None, reduction.weight, reduction.policy
        state.size, state.carried = reduction.size, reduction.state
        if reduction.loss is not None:
            state.loss = reduction.loss if state.loss is None else state.loss + reduction.loss
        if state.slots is not None:
            state.slots.update(reduction, tokens.shape[1])
            state.gathered = None
            if state.tracer is not None:
                state.tracer.add(reduction, state.slots)
        return reduction

    def _replace(self, x: Tensor, reduction: Reduction) -> Tensor:
        """(B, prefix + K, D) prefix tokens and the stage's output tokens."""
        if reduction.tokens is not None:
            return torch.cat([x[:, : self.num_prefix_tokens], reduction.tokens], dim=1)
        return x if reduction.anchor is None else gather_tokens(x, self._rows(reduction.anchor))

    def _rows(self, anchor: Tensor) -> Tensor:
        """(B, prefix + K) rows of the prefix and of the representative tokens (any row for padding)."""
        prefix = torch.arange(self.num_prefix_tokens, device=anchor.device).expand(anchor.shape[0], -1)
        return torch.cat([prefix, anchor.clamp(min=0) + self.num_prefix_tokens], dim=1)

    def _spatial(self, x: Tensor) -> Tensor:
        return x[:, self.num_prefix_tokens :]

    def _bias(self, state: ForwardState, x: Tensor) -> Tensor | None:
        return key_bias(state.weight, self.num_prefix_tokens, x.dtype)

    def _summary(self, state: ForwardState, x: Tensor) -> Tensor:
        """(B, D) CLS token, or the mean of the spatial tokens by their weights in a model without one."""
        if self.has_cls:
            return x[:, 0]
        return weighted_mean(self._spatial(x), state.token_weight)

    def _without_padding(self, x: Tensor, weight: Tensor | None) -> Tensor:
        """The tokens, with padding (weight 0), whose values are arbitrary, set to 0."""
        if weight is None:
            return x
        padding = nn.functional.pad(weight == 0, (self.num_prefix_tokens, 0), value=False)
        return x.masked_fill(padding.unsqueeze(-1), 0.0)


def has_cls(vit: nn.Module) -> bool:
    """Whether a timm model has a CLS token; its other prefix tokens are registers."""
    has_token: bool = getattr(vit, "has_class_token", getattr(vit, "cls_token", None) is not None)
    return has_token


def _keep_attention(state: ForwardState, x: Tensor, attn: BlockAttention) -> None:
    """Keep the attention for a later stage."""
    state.attn = attn


def _first_rows(count: int, x: Tensor, attn: BlockAttention) -> Tensor:
    """(B, count) first rows: those of CLS and of a distillation token."""
    return torch.arange(count, device=x.device).expand(x.shape[0], -1)
