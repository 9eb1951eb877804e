"""A timm Vision Transformer that reduces its tokens.

It does not depend on any method: it runs the blocks, calls each stage's `Reducer` at its site, and passes the
key weights and the policy of the `Reduction` on to later blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from timm.layers import Attention
from timm.models._features import feature_take_indices
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tokred.methods import registry
from tokred.methods.attention import BlockAttention, have_hooks, key_bias
from tokred.methods.base import Context, Reducer, Reduction, Stage
from tokred.methods.tokens import gather_tokens
from tokred.models.blocks import (
    BlockSequence,
    Inside,
    ReducedAttention,
    ReducedBlock,
    mask_arguments,
)
from tokred.models.pooling import attach_weight, attached_weight, check_weighted_pool, weighted_pool
from tokred.models.sharing import share_parameters
from tokred.models.trace import Trace, Tracer
from tokred.schedules import Schedule
from tokred.schedules.base import tokens_after
from tokred.schedules.macs import Shape, Site
from tokred.validation import Strict


@dataclass
class ForwardState:
    """State of one forward pass, passed from block to block.

    Attributes:
        stages: the stages, by the index of the block in which they act.
        weight, size, policy: see `Reduction`; of the spatial tokens, None for all ones.
        carried: `Reduction.state` for the next stage.
        attn: attention of the previous block, if the method needs it.
        loss: sum of the stages' auxiliary losses.
        tracer: collects the patterns; None without tracing.
        only_cls: whether only the CLS token is used after the last block.
        depth: number of blocks to run, None for all.
        intermediate_blocks: blocks whose output tokens are collected.
        intermediates: these tokens, and the (B, P) slot of each input token, None without a tracer.
    """

    stages: dict[int, Reducer]
    weight: Tensor | None = None
    size: Tensor | None = None
    policy: Tensor | None = None
    carried: object = None
    attn: BlockAttention | None = None
    loss: Tensor | None = None
    tracer: Tracer | None = None
    only_cls: bool = False
    depth: int | None = None
    intermediate_blocks: Sequence[int] = ()
    intermediates: list[tuple[Tensor, Tensor | None]] = field(default_factory=list)

    @property
    def token_weight(self) -> Tensor | None:
        """(B, N) weight of each spatial token in pooling, None for all ones."""
        size = self.weight if self.size is None else self.size
        if size is None or self.policy is None:
            return self.policy if size is None else size
        return size * self.policy


class ReducedVisionTransformer(VisionTransformer):
    """A `VisionTransformer` with reduction stages; made by `tokred.reduce`.

    Its parameters have the ViT's names; those of the method are under `reducers`. A model without stages
    behaves exactly as timm's.

    Attributes:
        spec: the method's facts.
        options: the method's options.
        locations: block in which each stage acts.
        reducers: one `Reducer` per stage; empty for the unreduced model.
        extra_loss: the method's auxiliary loss of the last forward pass (a scalar, to be added to the
            task's loss in training), None if the method has none. It is not copied with the model.
    """

    spec: registry.Method
    options: Strict
    locations: tuple[int, ...]
    reducers: nn.ModuleList
    extra_loss: Tensor | None
    _schedule: Schedule
    _depth: int

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.spec.name

    @property
    def schedule(self) -> Schedule:
        """The number of tokens that each stage leaves; see `tokred.schedules`.

        Setting it changes the stages. A method with parameters of its own must keep its stages' blocks, and
        one with parameters for each output token its numbers of tokens too.

        Raises ValueError for a schedule that the model or the method cannot follow; nothing changes then.
        """
        return self._schedule

    @schedule.setter
    def schedule(self, schedule: Schedule) -> None:
        if not isinstance(schedule, Schedule):
            raise ValueError(f"schedule: expected one of tokred.schedules, found {schedule!r}")
        change = self._prepare(self.make_stages(self._grid, schedule), "reduce the ViT with it")
        change()
        self._schedule = schedule

    def _prepare(self, stages: Sequence[Stage], instead: str) -> Callable[[], None]:
        """A function that changes the model's stages.

        Stages in the present blocks keep their reducers. Stages in other blocks get new ones, which methods
        without parameters can have at any time.

        Args:
            stages: the new stages.
            instead: advice for a method that cannot change.

        Raises:
            ValueError: parameters of the present reducers would not fit, or be lost.
        """
        blocks, present = tuple(stage.block for stage in stages), self._stages()
        if present and blocks == self.locations:
            _check_slots(self.method, present, stages, instead)
            return partial(_set_stages, present, stages)
        if next(self.reducers.parameters(), None) is not None:
            raise ValueError(
                f"method {self.method!r} has parameters in its stages, which act in blocks "
                f"{list(self.locations)} and cannot act in blocks {list(blocks)}; {instead} instead"
            )
        return partial(self._build, stages)

    def _build(self, stages: Sequence[Stage]) -> None:
        """Replace the reducers by new ones."""
        parameter = next(self.parameters())
        made = [self.spec.load()(stage, self.options) for stage in stages] if self.spec.target else []
        self._check_pool(self.global_pool, made)
        for reducer in made:
            reducer.init_weights()
        reducers = nn.ModuleList(made).to(device=parameter.device, dtype=parameter.dtype)
        self.reducers = reducers.train(self.training)
        self.locations = tuple(stage.block for stage in stages)

    def forward_features(self, x: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        """(B, prefix + K, D) normalized tokens after all blocks; padding is 0.

        The tokens' weights are attached to the tensor, see `tokred.models.pooling`.
        """
        if not self.reducers:
            return super().forward_features(x, **mask_arguments(attn_mask, is_causal))
        _reject_mask(attn_mask, is_causal)
        return self._features(x, self._state())

    def forward(self, x: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        """(B, num_classes) logits of (B, 3, height, width) images."""
        if not self.reducers:
            return super().forward(x, **mask_arguments(attn_mask, is_causal))
        _reject_mask(attn_mask, is_causal)
        state = self._state(only_cls=self._only_cls())
        return self._classify(self._encode(x, state), state)

    def trace(self, x: Tensor, blocks: Sequence[int] | None = None) -> tuple[Tensor, Trace]:
        """Logits, and the fate of every input token; see `tokred.models.trace.Trace`.

        Args:
            x: (B, 3, height, width) images.
            blocks: increasing indices of the blocks after which the state is recorded; None: those with a
                stage, so that the trace has one state per stage.

        Raises ValueError for blocks that do not exist, or are not in order.
        """
        if blocks is not None and list(blocks) != [b for b in range(len(self.blocks)) if b in blocks]:
            raise ValueError(
                f"blocks {list(blocks)}: expected increasing numbers from 0 to {len(self.blocks) - 1}"
            )
        tracer = Tracer(self.locations if blocks is None else blocks)
        state = self._state(tracer=tracer, only_cls=self._only_cls())
        logits = self._classify(self._encode(x, state), state)
        return logits, tracer.result()

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | list[int] | None = None,
        return_prefix_tokens: bool = False,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
        output_dict: bool = False,
        attn_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]] | dict[str, object]:
        """Tokens after some blocks. Arguments and results are timm's, but the tokens are reduced.

        "NLC" gives the (B, K, D) reduced tokens, padding 0. "NCHW" gives, at each position of the input grid,
        the token into which the input token was merged.

        Raises:
            ValueError: "NCHW" after a stage that drops tokens, or an attention mask.
        """
        if not self.reducers:
            return super().forward_intermediates(
                x,
                indices,
                return_prefix_tokens=return_prefix_tokens,
                norm=norm,
                stop_early=stop_early,
                output_fmt=output_fmt,
                intermediates_only=intermediates_only,
                output_dict=output_dict,
                **mask_arguments(attn_mask, is_causal),
            )
        _reject_mask(attn_mask, is_causal)
        if output_fmt not in ("NCHW", "NLC"):
            raise ValueError(f"output_fmt {output_fmt!r}: expected 'NCHW' or 'NLC'")
        indices_to_take, last = feature_take_indices(len(self.blocks), indices)
        tracer = Tracer() if output_fmt == "NCHW" else None
        state = self._state(
            tracer=tracer, intermediate_blocks=indices_to_take, depth=last + 1 if stop_early else None
        )
        final = self._features(x, state)
        return_prefix_tokens = return_prefix_tokens and self.num_prefix_tokens > 0
        prefix, spatial = [], []
        for index, (tokens, slots) in zip(sorted(set(indices_to_take)), state.intermediates, strict=True):
            tokens = self.norm(tokens) if norm else tokens
            prefix.append(tokens[:, : self.num_prefix_tokens])
            spatial.append(self._spatial(tokens) if slots is None else self._on_grid(tokens, slots, index))
        if output_dict:
            results: dict[str, object] = {"image_intermediates": spatial}
            if return_prefix_tokens:
                results["image_intermediates_prefix"] = prefix
            return results if intermediates_only else results | {"image_features": final}
        intermediates: list[Any] = spatial  # or pairs with the prefix, which timm's return type leaves out
        if return_prefix_tokens:
            intermediates = list(zip(spatial, prefix, strict=True))
        return intermediates if intermediates_only else (final, intermediates)

    def pool(self, x: Tensor, pool_type: str | None = None) -> Tensor:
        """(B, D) pooled (B, M, D) features, as in timm, but weighted by the tokens' weights."""
        if self._pools_by_weight(self.global_pool if pool_type is None else pool_type):
            weight = attached_weight(x)
            if weight is not None:
                return self._weighted_pool(x, weight, pool_type)
        return super().pool(x, pool_type)

    def set_input_size(
        self,
        img_size: int | tuple[int, int] | None = None,
        patch_size: int | tuple[int, int] | None = None,
    ) -> None:
        """Change the size of images or patches, as in timm; the stages' token budgets follow.

        The ViT from which the model was made does not change: the position embedding (and, for another patch
        size, the patch embedding) is no longer shared with it.

        Raises:
            ValueError: the schedule is not possible with that number of tokens, or the method has parameters
                for each output token (`sit`, ...) and its budget would change. The model is unchanged then.
        """
        resized = share_parameters(self.patch_embed)
        resized.set_input_size(img_size=img_size, patch_size=patch_size)
        change = self._prepare(self.make_stages(resized.grid_size), "reduce a ViT of the new size")
        super().set_input_size(img_size=_pair(img_size), patch_size=_pair(patch_size))
        change()

    def prune_intermediate_layers(
        self, indices: int | list[int] = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Remove the blocks after the last intermediate one, as in timm, and the stages in them."""
        kept = super().prune_intermediate_layers(indices, prune_norm, prune_head)
        count = sum(location < len(self.blocks) for location in self.locations)
        self.locations, self.reducers = self.locations[:count], self.reducers[:count]
        return kept

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the classifier, as in timm; it is no longer shared with the ViT.

        Raises ValueError for a pooling that does not support the method's token weights.
        """
        if global_pool is not None:
            self.check_pool(global_pool)
        super().reset_classifier(num_classes, global_pool)

    @torch.no_grad()
    def init_weights(self, mode: str = "", needs_reset: bool = True) -> None:
        """Draw random weights, as in timm (for the ViT too, which shares them), and for the stages."""
        super().init_weights(mode, needs_reset)
        for reducer in self._stages():
            fresh = type(reducer)(reducer.stage, reducer.options)
            fresh.init_weights()
            reducer.load_state_dict(fresh.state_dict())

    def make_stages(self, grid: tuple[int, int], schedule: Schedule | None = None) -> list[Stage]:
        """The description of each stage for a grid of input tokens, of the model's schedule by default.

        Raises ValueError for a schedule that the model or the method cannot follow.
        """
        # Layers may have been pruned since; the remaining blocks keep their numbers of tokens.
        shape = replace(Shape.of(self), num_tokens=grid[0] * grid[1], depth=self._depth)
        budgets = (self.schedule if schedule is None else schedule).budgets(shape, self.spec.limits)
        return [
            Stage(
                index=index,
                num_stages=len(budgets),
                budget=budget.kept,
                share=budget.share,
                grid=(grid[0], grid[1]),
                embed_dim=self.embed_dim,
                block=budget.block,
                depth=self._depth,
                budgets=tuple(each.kept for each in budgets),
                pruned_to=budget.pruned_to,
                num_heads=self._num_heads,
            )
            for index, budget in enumerate(budgets, 1)
            if budget.block < len(self.blocks)
        ]

    def tokens_after(self, blocks: Iterable[int]) -> list[int]:
        """Number of spatial tokens after each of some blocks, as the schedule says.

        Methods with a variable number of tokens keep at most that many.
        """
        kept = {stage.block: stage.budget for stage in self.make_stages(self._grid)}
        return tokens_after(kept, blocks, self.patch_embed.num_patches)

    def check_pool(self, global_pool: str) -> None:
        """Raise ValueError for a pooling that does not support the method's token weights."""
        self._check_pool(global_pool, self._stages())

    def _check_pool(self, global_pool: str, reducers: Sequence[Reducer]) -> None:
        if any(reducer.has_key_weights for reducer in reducers):
            pads_slots = any(reducer.pads_slots for reducer in reducers)
            check_weighted_pool(global_pool, self.attn_pool, self.method, pads_slots)

    def __getstate__(self) -> dict[str, object]:
        """For copies and pickles, which cannot hold an autograd graph."""
        state: dict[str, object] = super().__getstate__()  # type: ignore[no-untyped-call]  # torch: no types
        return state | {"extra_loss": None}

    @property
    def _grid(self) -> tuple[int, int]:
        """(rows, columns) of the tokens of an image."""
        rows, columns = self.patch_embed.grid_size
        return rows, columns

    @property
    def _num_heads(self) -> int:
        """Attention heads of a block."""
        attn = self.blocks[0].attn
        assert isinstance(attn, Attention)
        return int(attn.num_heads)

    def _stages(self) -> list[Reducer]:
        """`reducers`, typed: PyTorch's `ModuleList` holds modules of any class."""
        return [reducer for reducer in self.reducers if isinstance(reducer, Reducer)]

    def _state(
        self,
        tracer: Tracer | None = None,
        only_cls: bool = False,
        depth: int | None = None,
        intermediate_blocks: Sequence[int] = (),
    ) -> ForwardState:
        stages = dict(zip(self.locations, self._stages(), strict=True)) if self.reducers else {}
        return ForwardState(
            stages, tracer=tracer, only_cls=only_cls, depth=depth, intermediate_blocks=intermediate_blocks
        )

    def _only_cls(self) -> bool:
        """Whether only the CLS token of the last block is used, so that the block need not update the others.

        Hooks on the last block, on its attention or on later modules must see all tokens. Unreduced models
        skip this shortcut, so that outputs stay bit-identical to timm.
        """
        pools_cls = self.global_pool == "token" and self.attn_pool is None
        last = self.blocks[-1]
        assert isinstance(last, Block)
        return (
            len(self.reducers) > 0 and pools_cls and not have_hooks(self.blocks, last, last.attn, self.norm)
        )

    def _encode(self, x: Tensor, state: ForwardState) -> Tensor:
        """Tokens after all blocks and the last norm."""
        if self.reducers:
            self._check_grid(x)
        x = self.norm_pre(self.patch_drop(self._pos_embed(self.patch_embed(x))))
        if state.tracer is not None:
            state.tracer.start(self._spatial(x))
        if self.reducers:
            state.carried = self._stages()[0].begin(self._spatial(x))
        x = self.blocks(x, run=partial(self._run_block, state))
        self.extra_loss = state.loss
        return self.norm(x)

    def _features(self, x: Tensor, state: ForwardState) -> Tensor:
        """Tokens to return to users: padding is 0, and their weights are attached to the tensor."""
        x = self._without_padding(self._encode(x, state), state.weight)
        return attach_weight(x, state.token_weight) if self._pools_by_weight(self.global_pool) else x

    def _check_grid(self, x: Tensor) -> None:
        """Raise ValueError for images whose token grid differs from the stages'."""
        grid, expected = self._grid, self._stages()[0].stage.grid
        if self.dynamic_img_size:  # otherwise timm checks the size of images
            grid = tuple(self.patch_embed.dynamic_feat_size((x.shape[2], x.shape[3])))
        if grid != expected:
            raise ValueError(
                f"the image gives {grid[0] * grid[1]} tokens ({grid[0]} x {grid[1]}), but stages were built "
                f"for {expected[0] * expected[1]} ({expected[0]} x {expected[1]}): call the model's "
                "set_input_size before"
            )

    def _run_block(self, state: ForwardState, index: int, block: ReducedBlock, x: Tensor) -> Tensor:
        """Run one block, with its stage if it has one."""
        if state.depth is not None and index >= state.depth:
            return x
        reducer = state.stages.get(index)
        if reducer is None:
            x = self._no_stage(state, index, block, x)
        elif self.spec.site is Site.BEFORE:
            x = self._stage_before(state, index, block, x, reducer)
        elif self.spec.site is Site.WITHIN:
            x = self._stage_within(state, block, x, reducer)
        elif self.spec.site is Site.REUSE:
            x = self._stage_reuse(state, block, x, reducer)
        else:
            x = self._stage_after(state, block, x, reducer)
        if state.tracer is not None:
            state.tracer.leave(index, x[:, 0], is_last=index == len(self.blocks) - 1)
        if index in state.intermediate_blocks:
            slots = None if state.tracer is None else state.tracer.assign
            state.intermediates.append((self._without_padding(x, state.weight), slots))
        return x

    def _no_stage(self, state: ForwardState, index: int, block: ReducedBlock, x: Tensor) -> Tensor:
        """Run a block without a stage.

        If only the CLS token of the last block is used, the other tokens serve as keys and values only.
        """
        keep_attention = self.spec.needs_attention and index + 1 in state.stages
        only_cls = state.only_cls and index == len(self.blocks) - 1
        inside = None
        if keep_attention:
            inside = Inside(self.num_prefix_tokens, state.policy, partial(_keep_attention, state))
        elif only_cls:
            inside = Inside(self.num_prefix_tokens, state.policy, _cls_row)
        elif state.policy is not None:
            inside = Inside(self.num_prefix_tokens, state.policy)
        bias = self._bias(state, x)
        run = block if inside is None else partial(block, inside=inside)
        if self.grad_checkpointing and torch.is_grad_enabled() and not keep_attention:
            return checkpoint(run, x, attn_mask=bias, use_reentrant=False)
        return run(x, attn_mask=bias)

    def _stage_before(
        self, state: ForwardState, index: int, block: ReducedBlock, x: Tensor, reducer: Reducer
    ) -> Tensor:
        x = self._replace(x, self._reduce(reducer, x, state))
        return self._no_stage(state, index, block, x)

    def _stage_within(self, state: ForwardState, block: ReducedBlock, x: Tensor, reducer: Reducer) -> Tensor:
        def choose(x: Tensor, attn: BlockAttention) -> Tensor:
            state.attn = attn
            anchor = self._reduce(reducer, x, state).anchor
            assert anchor is not None, "a stage within attention chooses tokens"
            return self._rows(anchor)

        inside = Inside(self.num_prefix_tokens, state.policy, choose_rows=choose)
        return block(x, attn_mask=self._bias(state, x), inside=inside)

    def _stage_reuse(self, state: ForwardState, block: ReducedBlock, x: Tensor, reducer: Reducer) -> Tensor:
        def attend(attn: Attention, x: Tensor) -> Tensor:
            bias = self._bias(state, x)
            return BlockAttention(attn, x, bias, state.policy, self.num_prefix_tokens).output()

        def merge(x: Tensor, attn: BlockAttention) -> tuple[Tensor, Callable[[Attention, Tensor], Tensor]]:
            state.attn = attn
            reduction = self._reduce(reducer, x, state)
            merged = reduction.attention
            return self._replace(x, reduction), attend if merged is None else merged.output

        inside = Inside(self.num_prefix_tokens, state.policy, merge=merge)
        return block(x, attn_mask=self._bias(state, x), inside=inside)

    def _stage_after(self, state: ForwardState, block: ReducedBlock, x: Tensor, reducer: Reducer) -> Tensor:
        def attend(x: Tensor, attn: BlockAttention) -> None:
            state.attn = attn
            attn.probabilities = reducer.attend(attn)

        def reduce_tokens(x: Tensor) -> Tensor:
            return self._replace(x, self._reduce(reducer, x, state))

        inside = Inside(self.num_prefix_tokens, state.policy, attend, reduce_tokens)
        return block(x, attn_mask=self._bias(state, x), inside=inside)

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
            trace=state.tracer is not None,
        )
        reduction = reducer(tokens, context)
        state.attn, state.weight, state.policy = None, reduction.weight, reduction.policy
        state.size, state.carried = reduction.size, reduction.state
        if reduction.loss is not None:
            state.loss = reduction.loss if state.loss is None else state.loss + reduction.loss
        if state.tracer is not None:
            state.tracer.add(reduction, tokens)
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

    def _without_padding(self, x: Tensor, weight: Tensor | None) -> Tensor:
        """The tokens, with padding (weight 0), whose values are arbitrary, set to 0."""
        if weight is None:
            return x
        padding = nn.functional.pad(weight == 0, (self.num_prefix_tokens, 0), value=False)
        return x.masked_fill(padding.unsqueeze(-1), 0.0)

    def _on_grid(self, x: Tensor, slots: Tensor, index: int) -> Tensor:
        """(B, D, rows, columns) slot of each input token, from (B, M, D) tokens after block `index`."""
        if (slots < 0).any():
            raise ValueError(
                f"method {self.method!r} drops tokens, and tokens after block {index} do not form a grid: "
                f"expected output_fmt='NLC', or blocks before {self.locations[0]}"
            )
        tokens = gather_tokens(self._spatial(x), slots)
        return tokens.transpose(1, 2).unflatten(2, self._grid).contiguous()

    def _pools_by_weight(self, global_pool: str) -> bool:
        """Whether the pooling averages over tokens whose weights may differ."""
        pools_tokens = self.attn_pool is not None or global_pool not in ("", "token")
        return pools_tokens and any(reducer.has_key_weights_now for reducer in self._stages())

    def _weighted_pool(self, x: Tensor, weight: Tensor, pool_type: str | None = None) -> Tensor:
        pool_type = self.global_pool if pool_type is None else pool_type
        self.check_pool(pool_type)
        return weighted_pool(
            x, weight, pool_type, self.attn_pool, self.num_prefix_tokens, self.pool_include_prefix
        )

    def _classify(self, x: Tensor, state: ForwardState) -> Tensor:
        """Logits of the tokens after the last norm."""
        weight = state.token_weight
        if weight is None or not self._pools_by_weight(self.global_pool):
            pooled = super().pool(self._without_padding(x, state.weight) if not self.global_pool else x)
        else:
            pooled = self._weighted_pool(x, weight)
        return self.head(self.head_drop(self.fc_norm(pooled)))


def as_reduced(vit: VisionTransformer) -> ReducedVisionTransformer:
    """A model with a ViT's parameters, whose modules can reduce tokens; it does not have stages yet."""
    model = share_parameters(vit)
    # These modules are copies: the classes of the ViT's own modules do not change.
    model.__class__ = ReducedVisionTransformer
    model.blocks.__class__ = BlockSequence
    for block in model.blocks:
        block.__class__ = ReducedBlock
        block.attn.__class__ = ReducedAttention
    assert isinstance(model, ReducedVisionTransformer)
    model._depth = len(model.blocks)
    return model


def _check_slots(method: str, reducers: Sequence[Reducer], stages: Sequence[Stage], instead: str) -> None:
    """Raise ValueError for stages that leave other numbers of tokens than parameters are there for."""
    for reducer, stage in zip(reducers, stages, strict=True):
        if reducer.parameters_per_slot and stage.budget != reducer.stage.budget:
            raise ValueError(
                f"method {method!r} has parameters for each token that a stage leaves: stage {stage.index} "
                f"leaves {reducer.stage.budget} and cannot leave {stage.budget}; {instead} instead"
            )


def _set_stages(reducers: Sequence[Reducer], stages: Sequence[Stage]) -> None:
    for reducer, stage in zip(reducers, stages, strict=True):
        reducer.set_stage(stage)


def _keep_attention(state: ForwardState, x: Tensor, attn: BlockAttention) -> None:
    """Keep the attention for a later stage."""
    state.attn = attn


def _cls_row(x: Tensor, attn: BlockAttention) -> Tensor:
    """(B, 1) row of the CLS token."""
    return torch.zeros_like(x[:, :1, 0], dtype=torch.long)


def _reject_mask(attn_mask: Tensor | None, is_causal: bool) -> None:
    if attn_mask is not None or is_causal:
        raise ValueError("a reduced ViT takes no attention mask: it drops or merges the masked tokens")


def _pair(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """(height, width), the type that timm declares."""
    return (size, size) if isinstance(size, int) else size
