"""What one forward pass of a reduced model hands from block to block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from tokred.methods.attention import BlockAttention
from tokred.methods.base import Reducer
from tokred.models.slots import Slots
from tokred.models.trace import Tracer


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
        slots: the tokens' positions; None where neither a trace nor the model needs them.
        rope: rotary position embedding of the input grid, timm's; None without.
        gathered: `rope` or `shared_bias` of the current tokens; None if it is to be gathered anew.
        shared_bias: (1, H, M, M) relative position bias of the grid, shared by all blocks; None without.
        only_cls: whether only the CLS token (and a distillation token) is used after the last block.
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
    slots: Slots | None = None
    rope: Tensor | None = None
    gathered: Tensor | None = None
    shared_bias: Tensor | None = None
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
