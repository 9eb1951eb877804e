"""A timm Vision Transformer of any class that reduces its tokens: its stages, and timm's interface.

A class of timm becomes a reduced one by inheriting from `ReducedModel` first
(`tokred.models.vision_transformer`, `tokred.models.families`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from timm.models._features import feature_take_indices
from torch import Tensor, nn

from tokred.methods.base import Reducer, Stage
from tokred.methods.layers import have_hooks, layer_of
from tokred.methods.tokens import gather_tokens
from tokred.models.blocks import mask_arguments
from tokred.models.forward import StageForward
from tokred.models.forward_state import ForwardState
from tokred.models.pooling import attach_weight, attached_weight, check_weighted_pool, weighted_pool
from tokred.models.sharing import share_parameters
from tokred.models.trace import Trace, Tracer
from tokred.schedules import Schedule
from tokred.schedules.base import tokens_after
from tokred.schedules.macs import Shape
from tokred.validation import Strict


class ReducedModel(StageForward):
    """A timm Vision Transformer with reduction stages; made by `tokred.reduce`.

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

    options: Strict
    _schedule: Schedule
    _depth: int  # of the model as it was made

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
        made: list[Reducer] = []
        for stage in stages if self.spec.target else ():
            made.append(self.spec.load()(stage, self.options))
            made[-1].init_weights()  # at once, so that random numbers are drawn stage by stage
        self._check_pool(self.global_pool, made)
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
            extra: dict[str, Any] = {"output_dict": True} if output_dict else {}  # not in every class of timm
            return super().forward_intermediates(
                x,
                indices,
                return_prefix_tokens=return_prefix_tokens,
                norm=norm,
                stop_early=stop_early,
                output_fmt=output_fmt,
                intermediates_only=intermediates_only,
                **extra,
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
        return self._unweighted_pool(x, pool_type)

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
    def init_weights(self, *args: Any, **kwargs: Any) -> None:
        """Draw random weights, as in timm (for the ViT too, which shares them), and for the stages."""
        super().init_weights(*args, **kwargs)
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
                num_heads=self._num_heads(budget.block),
            )
            for index, budget in enumerate(budgets, 1)
            if budget.block < len(self.blocks)
        ]

    def _num_heads(self, block: int) -> int:
        """Attention heads of a block."""
        module = self.blocks[block]
        return layer_of(getattr(module, "attn", module)).num_heads

    def tokens_after(self, blocks: Iterable[int]) -> list[int]:
        """Number of spatial tokens after each of some blocks, as the schedule says.

        Methods with a variable number of tokens keep at most that many.
        """
        kept = {stage.block: stage.budget for stage in self.make_stages(self._grid)}
        return tokens_after(kept, blocks, self.num_tokens)

    def check_pool(self, global_pool: str) -> None:
        """Raise ValueError for a pooling that does not support the method's token weights."""
        self._check_pool(global_pool, self._stages())

    def _check_pool(self, global_pool: str, reducers: Sequence[Reducer]) -> None:
        if any(reducer.has_key_weights for reducer in reducers):
            pads_slots = any(reducer.pads_slots for reducer in reducers)
            check_weighted_pool(global_pool, self._attn_pool, self.method, pads_slots)

    def __getstate__(self) -> dict[str, object]:
        """For copies and pickles, which cannot hold an autograd graph."""
        state: dict[str, object] = super().__getstate__()  # type: ignore[no-untyped-call]  # torch: no types
        return state | {"extra_loss": None}

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
        pools_cls = self.global_pool == "token" and self._attn_pool is None
        last = self.blocks[-1]
        hookable = (self.blocks, last, getattr(last, "attn", last), self.norm)
        return len(self.reducers) > 0 and pools_cls and not have_hooks(*hookable)

    def _features(self, x: Tensor, state: ForwardState) -> Tensor:
        """Tokens to return to users: padding is 0, and their weights are attached to the tensor."""
        x = self._without_padding(self._encode(x, state), state.weight)
        return attach_weight(x, state.token_weight) if self._pools_by_weight(self.global_pool) else x

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
        pools_tokens = self._attn_pool is not None or global_pool not in ("", "token")
        return pools_tokens and any(reducer.has_key_weights_now for reducer in self._stages())

    @property
    def _attn_pool(self) -> nn.Module | None:
        """The attention pooling, which not all of timm's classes can have."""
        return getattr(self, "attn_pool", None)

    @property
    def _pools_prefix(self) -> bool:
        """Whether prefix tokens are pooled together with the spatial ones."""
        return self.pool_include_prefix

    def _unweighted_pool(self, x: Tensor, pool_type: str | None = None) -> Tensor:
        """timm's pooling."""
        return super().pool(x, pool_type)

    def _weighted_pool(self, x: Tensor, weight: Tensor, pool_type: str | None = None) -> Tensor:
        pool_type = self.global_pool if pool_type is None else pool_type
        self.check_pool(pool_type)
        return weighted_pool(
            x, weight, pool_type, self._attn_pool, self.num_prefix_tokens, self._pools_prefix
        )

    def _classify(self, x: Tensor, state: ForwardState) -> Tensor:
        """Logits of the tokens after the last norm."""
        weight = state.token_weight
        if weight is None or not self._pools_by_weight(self.global_pool):
            pooled = self._unweighted_pool(
                self._without_padding(x, state.weight) if not self.global_pool else x
            )
        else:
            pooled = self._weighted_pool(x, weight)
        return self.head(self.head_drop(self.fc_norm(pooled)))


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


def _reject_mask(attn_mask: Tensor | None, is_causal: bool) -> None:
    if attn_mask is not None or is_causal:
        raise ValueError("a reduced ViT takes no attention mask: it drops or merges the masked tokens")


def _pair(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """(height, width), the type that timm declares."""
    return (size, size) if isinstance(size, int) else size
