"""The interface of reduction methods: one `Reducer` per stage, which returns a `Reduction`.

Shape legend: B images, P spatial tokens of the input grid, N spatial tokens that enter a stage, K output
slots that leave it, M = prefix + N all tokens (CLS and registers first), R query rows that attention
computes, H heads, D width, d = D / H width of a head. Reducers get spatial tokens only; CLS is never reduced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from tokred.methods.attention import BlockAttention, MergedAttention
from tokred.validation import Strict


@dataclass(frozen=True)
class Stage:
    """Description of a stage, from which its reducer is built.

    Attributes:
        index: s, counted from 1.
        num_stages: number of stages of the model.
        budget: K_s, number of tokens to keep.
        share: K_s as a fraction of the tokens of the input grid; exactly r**s in the paper's stages.
        grid: (rows, columns) of the input grid.
        embed_dim: width D.
        block: index of the block in which the stage acts.
        depth: number of blocks of the model.
        budgets: budgets of all stages of the model, in order.
        pruned_to: number of tokens after pruning, of which merging leaves `budget`; None where the schedule
            has one number per stage.
        num_heads: attention heads of the block, as timm counts them.
    """

    index: int
    num_stages: int
    budget: int
    share: float
    grid: tuple[int, int]
    embed_dim: int
    block: int
    depth: int
    budgets: tuple[int, ...]
    pruned_to: int | None = None
    num_heads: int = 1


@dataclass
class Context:
    """Inputs of a reducer besides the tokens.

    Attributes:
        attn: attention of the stage's own block (WITHIN, REUSE, AFTER) or of the previous block (BEFORE, if
            the method is registered with `needs_attention`), else None.
        weight: (B, N) key weight of each token, None for all ones.
        size: (B, N) size of each token, None for all ones.
        policy: (B, N) decisions of an earlier stage in training, None if no token is masked.
        state: `Reduction.state` of the stage before; for the first stage the result of `Reducer.begin`.
        num_prefix: number of prefix tokens (CLS, registers), which precede the spatial tokens in `attn`.
        trace: whether `assign`, `position` and `margin` will be used.
    """

    attn: BlockAttention | None = None
    weight: Tensor | None = None
    size: Tensor | None = None
    policy: Tensor | None = None
    state: object = None
    num_prefix: int = 1
    trace: bool = False

    @property
    def attention(self) -> BlockAttention:
        """`attn`; ValueError if the stage has none."""
        if self.attn is None:
            raise ValueError("the stage has no attention to read")
        return self.attn


@dataclass
class Reduction:
    """The result of one stage.

    Attributes:
        tokens: (B, K, D) reduced tokens; None if they are the representative tokens themselves, unchanged.
        anchor: (B, K) representative token of slot k, an index into the stage's input tokens: the kept token
            or the cluster's center; -1 for none (fused token, cluster mean, padding). None if all tokens stay
            in place.
        assign: (B, N) slot that input token n is assigned to, -1 if it was dropped; None if it is the slot
            that the token represents.
        position: (B, K) input token whose position on the grid slot k takes, where it has no `anchor`; -1 for
            the middle of its tokens. None for the `anchor`. Not needed unless `Context.trace`.
        weight: (B, K) key weight of slot k, 0 for padding. Later blocks add log(weight) to their attention
            logits. None for all ones.
        size: (B, K) number of input tokens that slot k stands for, by which later stages and the pooling
            weigh it. Attention depends on `weight` alone, which is the size in proportional attention. None
            where `weight` serves for both.
        policy: (B, N) straight-through decisions that mask keys in training.
        loss: auxiliary loss, a scalar.
        margin: (B, N) difference of the two largest assignment weights of a token (soft merging).
        attention: attention of the merged tokens, of a `REUSE` stage; None if it is computed from them.
        state: passed on to the next stage.
    """

    tokens: Tensor | None = None
    anchor: Tensor | None = None
    assign: Tensor | None = None
    position: Tensor | None = None
    weight: Tensor | None = None
    size: Tensor | None = None
    policy: Tensor | None = None
    loss: Tensor | None = None
    margin: Tensor | None = None
    attention: MergedAttention | None = None
    state: object = None


class Reducer(nn.Module):
    """One stage of a method. Subclasses implement `forward`; the registry says where in its block it acts.

    `self.options` has the method's options (its model in `tokred.methods.options`). `tokred.reduce` calls
    `init_weights` after the stage is built.

    Attributes:
        parameters_per_slot: whether shapes of parameters depend on the token budget, which then cannot
            change.
        has_key_weights: whether slots may have different weights (`Reduction.weight`, `size`, `policy`).
        pads_slots: whether the number of kept tokens may vary among images, so that some slots are padding.
    """

    parameters_per_slot: ClassVar[bool] = False
    has_key_weights: ClassVar[bool] = False
    pads_slots: ClassVar[bool] = False

    def __init__(self, stage: Stage, options: Strict) -> None:
        super().__init__()
        self.stage = stage
        self.options = options

    @property
    def has_key_weights_now(self) -> bool:
        """Whether slots may have different weights in the current mode, training or evaluation."""
        return self.has_key_weights

    def set_stage(self, stage: Stage) -> None:
        """Change the grid or the token budget."""
        self.stage = stage

    @torch.no_grad()
    def init_weights(self) -> None:
        """Initialize all linear layers as the ViT's: truncated normal weights with std 0.02, and zero biases.

        Methods with another initialization override this.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def begin(self, x: Tensor) -> object:
        """State of the first stage, from the (B, P, D) tokens before the first block; None for none."""
        return None

    def attend(self, attention: BlockAttention) -> Tensor | None:
        """(B, H, M, M) probabilities with which an AFTER stage's block attends; None for the block's own."""
        return None

    def forward(self, x: Tensor, context: Context) -> Reduction:
        """Reduce (B, N, D) spatial tokens; WITHIN reducers must return `anchor` and no `tokens`."""
        raise NotImplementedError


def ones_like_tokens(x: Tensor) -> Tensor:
    """(B, N) sizes of (B, N, D) tokens of which none is merged. Half precision cannot represent all sizes."""
    return torch.ones_like(x[..., 0], dtype=torch.promote_types(x.dtype, torch.float32))


def no_representative(x: Tensor, num_slots: int) -> Tensor:
    """(B, K) `anchor` of slots without representative tokens, all -1."""
    return torch.full((x.shape[0], num_slots), -1, dtype=torch.long, device=x.device)


def rank_descending(scores: Tensor) -> Tensor:
    """(B, N) token indices by descending score; ties by ascending index, for reproducibility."""
    return torch.sort(scores, dim=1, descending=True, stable=True).indices


def hard_assignment(weights: Tensor) -> tuple[Tensor, Tensor]:
    """(B, N) slot of largest weight, and (B, N) margin to the second largest, from (B, N, K) weights."""
    top = weights.topk(min(2, weights.shape[2]), dim=2)
    runner_up = top.values[..., 1] if weights.shape[2] > 1 else torch.zeros_like(top.values[..., 0])
    return top.indices[..., 0], top.values[..., 0] - runner_up
