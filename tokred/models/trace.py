"""The fate of every input token: assignments of the stages, composed into patterns on the input grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tokred.methods.base import Reduction
from tokred.models.slots import Slots, follow


@dataclass(frozen=True)
class StageTrace:
    """Pattern of one stage.

    Attributes:
        assign: (B, P) output slot that each input token is assigned to, -1 if it was dropped.
        anchor: (B, K) representative token of each slot (the kept token or the cluster's center), as an index
            on the input grid; -1 for slots without one (fused token, cluster mean, padding).
        size: (B, K) size of each slot: the method's own (`Reduction.size`, or its key weight), else the
            number of input tokens that are assigned to it.
        position: (B, K) position of each slot, as an index on the input grid; see `tokred.models.slots`.
        margin: (B, P) difference of the two largest assignment weights, NaN for dropped tokens; None for
            methods without soft assignment.
    """

    assign: Tensor
    anchor: Tensor
    size: Tensor
    position: Tensor
    margin: Tensor | None = None


@dataclass(frozen=True)
class Trace:
    """Patterns and CLS features of a batch.

    Attributes:
        stages: one `StageTrace` per stage, or per block that was asked for: the state after that block, which
            is that of the last stage in it or before it.
        cls: (B, stages + 1, D) CLS token after each stage's block and after the last block, before the
            final norm; in a model without CLS, the mean of the spatial tokens, by their sizes.
        blocks: the block of each of `stages`.
    """

    stages: list[StageTrace]
    cls: Tensor
    blocks: tuple[int, ...] = ()

    @property
    def sizes(self) -> list[Tensor]:
        """(B, K) size of every slot, by stage."""
        return [stage.size for stage in self.stages]

    @property
    def positions(self) -> list[Tensor]:
        """(B, K) position of every slot on the input grid, by stage."""
        return [stage.position for stage in self.stages]

    def cpu(self) -> Trace:
        """The trace in main memory."""
        stages = [
            StageTrace(
                assign=stage.assign.cpu(),
                anchor=stage.anchor.cpu(),
                size=stage.size.cpu(),
                position=stage.position.cpu(),
                margin=None if stage.margin is None else stage.margin.cpu(),
            )
            for stage in self.stages
        ]
        return replace(self, stages=stages, cls=self.cls.cpu())


class Tracer:
    """Collects a `Trace` during a forward pass.

    Args:
        blocks: index of each block after which the state is recorded, increasing.
    """

    def __init__(self, blocks: Sequence[int] = ()) -> None:
        self._blocks = tuple(blocks)
        self._now: StageTrace | None = None
        self._stages: list[StageTrace] = []
        self._cls: list[Tensor] = []

    def start(self, tokens: Tensor) -> None:
        """Begin with the (B, P, D) tokens of the input grid."""
        grid = torch.arange(tokens.shape[1], device=tokens.device).expand(tokens.shape[0], -1)
        ones = torch.ones_like(grid, dtype=torch.float32)
        self._now = StageTrace(assign=grid, anchor=grid, size=ones, position=grid)

    @property
    def assign(self) -> Tensor:
        """(B, P) slot of each input token after the last stage, -1 if it was dropped."""
        return self._last.assign

    def leave(self, block: int, cls_token: Tensor, is_last: bool) -> None:
        """Record the state and the (B, D) CLS token after a block, if they were asked for."""
        if block in self._blocks:
            self._stages.append(self._last)
            self._cls.append(cls_token)
        if is_last:
            self._cls.append(cls_token)

    def add(self, reduction: Reduction, slots: Slots) -> None:
        """Follow the reduction of a stage, as the slots did."""
        before = self._last
        if reduction.anchor is None:
            return
        size = reduction.weight if reduction.size is None else reduction.size
        margin = reduction.margin
        self._now = StageTrace(
            assign=slots.assign,
            anchor=follow(before.anchor, reduction.anchor),
            size=slots.count(reduction.anchor.shape[1]) if size is None else size,
            position=slots.position,
            margin=None if margin is None else follow(margin, before.assign, fill=torch.nan),
        )

    def result(self) -> Trace:
        """The trace of the whole pass."""
        return Trace(self._stages, torch.stack(self._cls, dim=1), self._blocks)

    @property
    def _last(self) -> StageTrace:
        assert self._now is not None, "start is called first"
        return self._now
