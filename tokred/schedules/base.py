"""The interface of schedules: a `Schedule` says how many tokens each stage of a model leaves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pydantic import Field, ValidationError

from tokred.schedules.macs import Shape, Site
from tokred.validation import Strict, mistakes


@dataclass(frozen=True)
class Budget:
    """The number of spatial tokens that one stage leaves.

    Attributes:
        block: index of the block in which the stage acts.
        kept: number of tokens that leave the stage.
        share: `kept` as a fraction of the input grid's tokens; exactly r**s in the paper's stages.
        pruned_to: number of tokens after pruning, of which merging leaves `kept`; None for a schedule with
            one number per stage.
    """

    block: int
    kept: int
    share: float
    pruned_to: int | None = None


@dataclass(frozen=True)
class Limits:
    """What a method demands of a schedule.

    Attributes:
        method: its name, for messages.
        site: position of its stages in their blocks.
        min_keep_rate: smallest fraction of its tokens that a stage can keep (1/2 where pairs merge).
        first_block: first block in which a stage can act.
        prunes_and_merges: whether a stage can take two numbers (`Budget.pruned_to`).
    """

    method: str
    site: Site = Site.AFTER
    min_keep_rate: Fraction = Fraction(0)
    first_block: int = 0
    prunes_and_merges: bool = False

    def least(self, num_tokens: int) -> int:
        """The smallest number of tokens that a stage can keep of `num_tokens`."""
        return max(1, num_tokens - int(num_tokens * (1 - self.min_keep_rate)))


def kind_field(name: str) -> Any:
    """The field of a schedule that tells it from others in a configuration."""
    return Field(name, description="kind of schedule")


class Schedule(Strict):
    """Base of all schedules, whose fields are also keys of a configuration, with `kind` for the class.

    Fields may be given by position, in their order: `Constant(13)`. Wrong values raise a ValueError that has
    one line.
    """

    def __init__(self, *values: Any, **fields: Any) -> None:
        names = [name for name in type(self).model_fields if name != "kind"]
        if len(values) > len(names):
            raise TypeError(f"{type(self).__name__} takes {len(names)} values, got {len(values)}")
        by_name = dict(zip(names, values, strict=False))
        for name in set(by_name) & set(fields):
            raise TypeError(f"{type(self).__name__} got two values for {name}")
        try:
            super().__init__(**by_name, **fields)
        except ValidationError as error:
            if "kind" in fields:  # part of a configuration, whose messages start with the path of the key
                raise
            wrong = "; ".join(mistakes(type(self), error))
            raise ValueError(f"schedule {type(self).__name__}: {wrong}") from None

    def budgets(self, shape: Shape, limits: Limits) -> tuple[Budget, ...]:
        """The stages of a model, by increasing block.

        Args:
            shape: sizes of the unreduced model.
            limits: what the method can do.

        Raises:
            ValueError: the model or the method cannot follow the schedule.
        """
        raise NotImplementedError


def tokens_after(kept: Mapping[int, int], blocks: Iterable[int], num_tokens: int) -> list[int]:
    """Number of spatial tokens after each of some blocks.

    Args:
        kept: number of tokens that each stage leaves, by its block.
        blocks: indices of blocks.
        num_tokens: tokens of the input grid.

    >>> tokens_after({2: 40, 5: 20}, (1, 2, 3, 9), 64)
    [64, 40, 40, 20]
    """
    return [min((left for at, left in kept.items() if at <= block), default=num_tokens) for block in blocks]


def check_blocks(blocks: list[int] | tuple[int, ...], depth: int, limits: Limits) -> None:
    """Raise ValueError for blocks that do not increase, do not exist, or that the method cannot use."""
    if not blocks or list(blocks) != sorted(set(blocks)):
        raise ValueError(f"locations {list(blocks)}: expected rising, different block numbers")
    for block in blocks:
        if not limits.first_block <= block < depth:
            raise ValueError(
                f"location {block} of method {limits.method!r}: "
                f"expected a block from {limits.first_block} to {depth - 1}"
            )
