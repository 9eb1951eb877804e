"""The fate of every input token: assignments of the stages, composed into patterns on the input grid."""

from __future__ import annotations

from dataclasses import dataclass

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
        stages: one `StageTrace` per stage.
        cls: (B, stages + 1, D) CLS token after each stage's block and after the last block, before the
            final norm.
    """

    stages: list[StageTrace]
    cls: Tensor

    def cpu(self) -> Trace:
        """The trace in main memory."""
        stages = [
            StageTrace(s.assign.cpu(), s.anchor.cpu(), None if s.margin is None else s.margin.cpu())
            for s in self.stages
        ]
        return Trace(stages, self.cls.cpu())


class Tracer:
    """Collects a `Trace` during a forward pass."""

    def __init__(self) -> None:
        self._start: StageTrace | None = None
        self._stages: list[StageTrace] = []
        self._cls: list[Tensor] = []

    def start(self, tokens: Tensor) -> None:
        """Begin with the (B, P, D) tokens of the input grid."""
        grid = torch.arange(tokens.shape[1], device=tokens.device).expand(tokens.shape[0], -1)
        self._start = StageTrace(assign=grid, anchor=grid)

    @property
    def assign(self) -> Tensor:
        """(B, P) slot of each input token after the last recorded stage, -1 if it was dropped."""
        return self._last.assign

    def add_cls(self, cls_token: Tensor) -> None:
        """Record the (B, D) CLS token."""
        self._cls.append(cls_token)

    def add(self, reduction: Reduction, tokens: Tensor) -> None:
        """Record the reduction of a stage's (B, N, D) input tokens."""
        before = self._last
        if reduction.anchor is None:
            self._stages.append(before)
            return
        assign, anchor = reduction.assign, reduction.anchor
        if assign is None:
            assign = _assignment_from_anchors(anchor, tokens.shape[1])
        margin = reduction.margin
        self._stages.append(
            StageTrace(
                assign=_follow(assign, before.assign),
                anchor=_follow(before.anchor, anchor),
                margin=None if margin is None else _follow(margin, before.assign, fill=torch.nan),
            )
        )

    def result(self) -> Trace:
        """The trace of the whole pass."""
        return Trace(stages=self._stages, cls=torch.stack(self._cls, dim=1))

    @property
    def _last(self) -> StageTrace:
        assert self._start is not None, "start is called first"
        return self._stages[-1] if self._stages else self._start


def _assignment_from_anchors(anchor: Tensor, num_tokens: int) -> Tensor:
    """(B, N) slot that each token represents, -1 for none: the inverse of (B, K) representative tokens."""
    slots = torch.arange(anchor.shape[1], device=anchor.device).expand_as(anchor)
    # Slots without a representative token write into an extra column, which is cut off.
    assign = anchor.new_full((anchor.shape[0], num_tokens + 1), -1)
    return assign.scatter(1, torch.where(anchor < 0, num_tokens, anchor), slots)[:, :num_tokens]


def _follow(values: Tensor, index: Tensor, fill: float = -1) -> Tensor:
    """values[b, index[b, i]], and `fill` where the index is -1."""
    return values.gather(1, index.clamp(min=0)).masked_fill(index < 0, fill)
