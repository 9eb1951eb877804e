"""The fate of every input token: assignments of the stages, composed into patterns on the input grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tokred.methods.base import Reduction


@dataclass(frozen=True)
class StageTrace:
    """Pattern of one stage.

    Attributes:
        assign: (B, P) output slot that each input token is assigned to, -1 if it was dropped.
        anchor: (B, K) representative token of each slot (the kept token or the cluster's center), as an index
            on the input grid; -1 for slots without one (fused token, cluster mean, padding).
        margin: (B, P) difference of the two largest assignment weights, NaN for dropped tokens; None for
            methods without soft assignment.
    """

    assign: Tensor
    anchor: Tensor
    margin: Tensor | None = None


@dataclass(frozen=True)
class Trace:
    """Patterns and CLS features of a batch.

    Attributes:
        stages: one `StageTrace` per stage, or per block that was asked for: the state after that block, which
            is that of the last stage in it or before it.
        cls: (B, stages + 1, D) CLS token after each stage's block and after the last block, before the
            final norm.
        blocks: the block of each of `stages`.
    """

    stages: list[StageTrace]
    cls: Tensor
    blocks: tuple[int, ...] = ()

    def cpu(self) -> Trace:
        """The trace in main memory."""
        stages = [
            StageTrace(s.assign.cpu(), s.anchor.cpu(), None if s.margin is None else s.margin.cpu())
            for s in self.stages
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
        self._now = StageTrace(assign=grid, anchor=grid)

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

    def add(self, reduction: Reduction, tokens: Tensor) -> None:
        """Follow the reduction of a stage's (B, N, D) input tokens."""
        before = self._last
        if reduction.anchor is None:
            return
        assign, anchor = reduction.assign, reduction.anchor
        if assign is None:
            assign = _assignment_from_anchors(anchor, tokens.shape[1])
        margin = reduction.margin
        self._now = StageTrace(
            assign=_follow(assign, before.assign),
            anchor=_follow(before.anchor, anchor),
            margin=None if margin is None else _follow(margin, before.assign, fill=torch.nan),
        )

    def result(self) -> Trace:
        """The trace of the whole pass."""
        return Trace(self._stages, torch.stack(self._cls, dim=1), self._blocks)

    @property
    def _last(self) -> StageTrace:
        assert self._now is not None, "start is called first"
        return self._now


def _assignment_from_anchors(anchor: Tensor, num_tokens: int) -> Tensor:
    """(B, N) slot that each token represents, -1 for none: the inverse of (B, K) representative tokens."""
    slots = torch.arange(anchor.shape[1], device=anchor.device).expand_as(anchor)
    # Slots without a representative token write into an extra column, which is cut off.
    assign = anchor.new_full((anchor.shape[0], num_tokens + 1), -1)
    return assign.scatter(1, torch.where(anchor < 0, num_tokens, anchor), slots)[:, :num_tokens]


def _follow(values: Tensor, index: Tensor, fill: float = -1) -> Tensor:
    """values[b, index[b, i]], and `fill` where the index is -1."""
    return values.gather(1, index.clamp(min=0)).masked_fill(index < 0, fill)
