"""Any shape of schedule, scaled to the multiply-accumulates of the paper's stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Annotated, Literal

from pydantic import Discriminator, Field, NonNegativeInt, Tag, field_validator

from tokred.run import canonical_rate
from tokred.schedules.base import Budget, Limits, Schedule, kind_field
from tokred.schedules.macs import Shape, Site, forward_macs, reduced_blocks
from tokred.schedules.shapes import LOCATIONS, Constant, DiffRate, Kept, Ratio, Stages, budgets_of

#: Largest difference of the multiply-accumulates, as a fraction of those to match.
TOLERANCE = 0.005
#: Halvings of the interval of scales; numbers of tokens do not change beyond.
_HALVINGS = 40

_Shaped = Annotated[Constant | Ratio | Kept | DiffRate | Stages, Field(discriminator="kind")]
_Named = Literal["constant", "rising", "falling", "ratio"]
MatchedShape = Annotated[
    Annotated[_Shaped, Tag("schedule")] | Annotated[_Named, Tag("name")],
    Discriminator(lambda value: "name" if isinstance(value, str) else "schedule"),
    Field(
        description="the schedule that is scaled: the same number in all blocks, a number that rises from 0 "
        "or falls to 0, the same ratio, or any other schedule"
    ),
]


class Matched(Schedule):
    """A shape of schedule, scaled so that the model costs as much as with the paper's stages at keep rate r.

    The numbers of tokens that the shape removes (or its ratio) are scaled by a real factor and rounded. Costs
    are multiply-accumulates as publications count them (`tokred.schedules.macs`), without the method's own;
    those of the paper's stages are the same for every method (those of Top-K, which reduces within a block).
    """

    kind: Literal["matched"] = kind_field("matched")
    keep_rate: str = Field(description="r in (0, 1] of the paper's stages whose cost is matched")
    shape: MatchedShape = "constant"
    locations: tuple[NonNegativeInt, ...] = Field(LOCATIONS, description="blocks of the paper's stages")

    _canonical = field_validator("keep_rate", mode="before")(canonical_rate)

    def budgets(self, shape: Shape, limits: Limits) -> tuple[Budget, ...]:
        return _budgets(self, shape, limits)

    def _scaled(self, shape: Shape, limits: Limits) -> tuple[Budget, ...]:
        target = self.target(shape)
        kept_at = self._profile(shape, limits)

        def cost(scale: float) -> int:
            blocks = reduced_blocks(shape, limits.site, dict(enumerate(kept_at(scale))))
            return forward_macs(shape, blocks).total

        low, high = 0.0, 1.0  # scales of the unreduced model, and of the shortest sequences
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if cost(middle) > target else (low, middle)
        scale = min(low, high, key=lambda scale: abs(cost(scale) - target))
        if abs(cost(scale) - target) > TOLERANCE * target:
            raise ValueError(
                f"schedule 'matched': method {limits.method!r} cannot cost {target / 1e9:.4g} billion "
                f"multiply-accumulates (those of keep_rate {self.keep_rate}) with shape {self._name()}: the "
                f"nearest is {cost(scale) / 1e9:.4g}"
            )
        budgets = budgets_of(dict(enumerate(kept_at(scale))), shape.num_tokens)
        if isinstance(self.shape, DiffRate):
            return _split(budgets, self.shape.budgets(shape, limits), shape.num_tokens)
        return budgets

    def target(self, shape: Shape) -> int:
        """Multiply-accumulates of the paper's stages."""
        stages = Stages(keep_rate=self.keep_rate, locations=self.locations)
        budgets = stages.budgets(shape, Limits("stages", Site.WITHIN))
        kept = {budget.block: budget.kept for budget in budgets}
        return forward_macs(shape, reduced_blocks(shape, Site.WITHIN, kept)).total

    def _profile(self, shape: Shape, limits: Limits) -> Callable[[float], Sequence[int]]:
        """The numbers of tokens left after each block, by a scale from 0 (all) to 1 (as few as possible)."""
        total, profile = shape.num_tokens, self._relative(shape, limits)

        def kept_at(scale: float) -> list[int]:
            kept, tokens = [], total
            for block in range(shape.depth):
                wanted = round(total * profile(scale, block))
                tokens = min(tokens, max(wanted, limits.least(tokens)))
                kept.append(tokens)
            return kept

        return kept_at

    def _relative(self, shape: Shape, limits: Limits) -> Callable[[float, int], float]:
        """The fraction of the tokens left after a block, at a scale from 0 to 1."""
        first, depth = limits.first_block, shape.depth
        if self.shape == "ratio" or isinstance(self.shape, Ratio):
            blocks = self.shape.blocks if isinstance(self.shape, Ratio) else None
            acting = range(first, depth) if blocks is None else blocks
            steps = [sum(block <= last for block in acting) for last in range(depth)]
            return lambda scale, block: (1 - scale) ** steps[block]
        removed = self._removed(shape, limits)
        # Close to scale 1 all tokens are gone after the first block that removes any.
        smallest = min(amount for amount in removed if amount)
        return lambda scale, block: 1 - removed[block] / smallest * scale / max(1 - scale, 1e-9)

    def _removed(self, shape: Shape, limits: Limits) -> list[float]:
        """Relative number of tokens that are gone after each block."""
        first, depth = limits.first_block, shape.depth
        if isinstance(self.shape, str):
            slope = {"constant": 0.0, "rising": 1.0, "falling": -1.0}[self.shape]
            span = max(depth - 1, 1)
            steps = [(1 + slope * (2 * block / span - 1)) * (block >= first) for block in range(depth)]
            return [sum(steps[: block + 1]) for block in range(depth)]
        budgets = {budget.block: budget.kept for budget in self.shape.budgets(shape, limits)}
        if not budgets:
            raise ValueError(
                f"schedule 'matched': shape {self._name()} removes no tokens, and cannot be scaled"
            )
        gone, tokens = [], shape.num_tokens
        for block in range(depth):
            tokens = budgets.get(block, tokens)
            gone.append(float(shape.num_tokens - tokens))
        return gone

    def _name(self) -> str:
        return repr(self.shape if isinstance(self.shape, str) else self.shape.kind)


def _split(budgets: Sequence[Budget], like: Sequence[Budget], num_tokens: int) -> tuple[Budget, ...]:
    """Stages that prune the same part of the tokens that they remove as those of another schedule."""
    parts, tokens = {}, num_tokens
    for budget in like:
        assert budget.pruned_to is not None, "of a schedule with two numbers per stage"
        parts[budget.block] = (tokens - budget.pruned_to) / (tokens - budget.kept)
        tokens = budget.kept
    split, tokens = [], num_tokens
    for budget in budgets:
        pruned = round((tokens - budget.kept) * parts.get(budget.block, 0.0))
        split.append(replace(budget, pruned_to=tokens - pruned))
        tokens = budget.kept
    return tuple(split)


@cache
def _budgets(schedule: Matched, shape: Shape, limits: Limits) -> tuple[Budget, ...]:
    """`Matched.budgets`, computed once: it takes milliseconds, and studies ask for every run."""
    return schedule._scaled(shape, limits)
