"""What a reduction method is: a `Reducer` a stage, which returns one small record, a `Reduction`.

Shape legend: B images, P spatial tokens of the input grid, N spatial tokens entering a stage, K output
slots leaving it, D width, H heads, M = prefix + N all tokens (CLS and registers first). Reducers see
spatial tokens only; CLS is never reduced.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import torch
from torch import Tensor, nn

from tokred.methods.attention import BlockAttention
from tokred.validation import Strict


class Site(Enum):
    """Where in its block a stage acts.

    BEFORE: before the block. WITHIN: the block's attention chooses tokens, and only their query rows are
    computed onwards. AFTER: after the attention and its residual, before the MLP.
    """

    BEFORE = "before"
    WITHIN = "within"
    AFTER = "after"


@dataclass(frozen=True)
class Stage:
    """What a reducer knows when it is built.

    Attributes:
        index: s, counted from 1.
        num_stages: stages of the model.
        budget: K_s, number of tokens to leave.
        keep_rate: r.
        grid: (rows, columns) of the input grid.
        embed_dim: width D.
    """

    index: int
    num_stages: int
    budget: int
    keep_rate: float
    grid: tuple[int, int]
    embed_dim: int


@dataclass
class Context:
    """What a reducer may look at besides the tokens.

    Attributes:
        attn: attention of its own block (WITHIN, AFTER) or of the block before (BEFORE, where
            the method is registered with `needs_attention`), else None.
        weight: (B, N) weight of each token as a key, None for all ones.
        policy: (B, N) decisions of an earlier stage while training, None where nothing is masked.
        trace: whether `assign` and `margin` are wanted.
    """

    attn: BlockAttention | None = None
    weight: Tensor | None = None
    policy: Tensor | None = None
    trace: bool = False

    @property
    def attention(self) -> BlockAttention:
        """`attn`, for methods that cannot do without."""
        if self.attn is None:
            raise ValueError("the stage has no attention to read")
        return self.attn


@dataclass
class Reduction:
    """The result of one stage.

    Attributes:
        tokens: (B, K, D) reduced tokens; None where the slots are the anchored tokens themselves.
        anchor: (B, K) index of the stage's input token that slot k stands on, -1 for none (fused token,
            cluster mean, padding); None for a stage that leaves all tokens in place.
        assign: (B, N) slot that input token n went into, -1 if dropped; None: the slot that stands on it.
        weight: (B, K) weight of slot k as a key in later attention: its size (ToMe), 0 for padding.
            Later blocks add log(weight) to their attention logits. None for all ones.
        policy: (B, N) straight-through decisions that mask keys softly while training.
        loss: auxiliary loss, a scalar.
        margin: (B, N) difference of the two highest assignment weights of a token (soft merging).
    """

    tokens: Tensor | None = None
    anchor: Tensor | None = None
    assign: Tensor | None = None
    weight: Tensor | None = None
    policy: Tensor | None = None
    loss: Tensor | None = None
    margin: Tensor | None = None


class Reducer(nn.Module):
    """One stage of a method. Subclasses set `site` and implement `forward`.

    Options of the method (its model in `tokred.methods.options`) arrive as `self.options`.
    `tokred.reduce` calls `init_weights` once the stage is built.

    Attributes:
        site: where in its block the stage acts.
        parameters_per_slot: whether shapes of its parameters depend on the number of tokens that it leaves,
            which then cannot change.
        weighs: whether slots may weigh differently (`Reduction.weight`, `Reduction.policy`).
        pads: whether it may leave more tokens of one image than of another, so that some slots are padding.
    """

    site: ClassVar[Site] = Site.BEFORE
    parameters_per_slot: ClassVar[bool] = False
    weighs: ClassVar[bool] = False
    pads: ClassVar[bool] = False

    def __init__(self, stage: Stage, options: Strict) -> None:
        super().__init__()
        self.stage = stage
        self.options = options

    @property
    def weighs_now(self) -> bool:
        """Whether slots may weigh differently in the mode that it is in, training or evaluation."""
        return self.weighs

    def set_stage(self, stage: Stage) -> None:
        """Act on another grid, or leave another number of tokens, from now on."""
        self.stage = stage

    @torch.no_grad()
    def init_weights(self) -> None:
        """Give all linear layers the ViT's initial values: truncated normal, std 0.02, and bias 0.

        A method whose layers start otherwise overrides this.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor, context: Context) -> Reduction:
        """Reduce (B, N, D) spatial tokens; WITHIN reducers must return `anchor` and no `tokens`."""
        raise NotImplementedError


def no_anchor(x: Tensor, num_slots: int) -> Tensor:
    """(B, K) anchors of slots that stand on no token."""
    return torch.full((x.shape[0], num_slots), -1, dtype=torch.long, device=x.device)


def rank_descending(scores: Tensor) -> Tensor:
    """(B, N) token indices by falling score; equal scores by rising index, so that results repeat."""
    return torch.sort(scores, dim=1, descending=True, stable=True).indices


def hard_assignment(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Slot of largest weight, (B, N), and the margin to the second largest, from (B, N, K) weights."""
    top = weights.topk(min(2, weights.shape[2]), dim=2)
    runner_up = top.values[..., 1] if weights.shape[2] > 1 else torch.zeros_like(top.values[..., 0])
    return top.indices[..., 0], top.values[..., 0] - runner_up
