"""Schedules: the paper's stages, and those of methods that reduce in every block.

Numbers of tokens are spatial tokens: CLS and registers are never reduced, and not counted, except where a
publication counts CLS and the field says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from tokred.run import canonical_rate
from tokred.schedules.base import Budget, Limits, Schedule, check_blocks, kind_field
from tokred.schedules.budget import token_budget
from tokred.schedules.diffrate_file import read_lists
from tokred.schedules.macs import Shape

#: Blocks in which the paper's three stages act, counted from 0.
LOCATIONS = (3, 6, 9)


class Stages(Schedule):
    """The paper's stages: stage s leaves floor(P r^s) of the P tokens of the input grid."""

    kind: Literal["stages"] = kind_field("stages")
    keep_rate: str = Field(description="r in (0, 1]")
    locations: tuple[NonNegativeInt, ...] = Field(
        LOCATIONS, description="blocks in which the stages act, ascending, counted from 0"
    )

    _canonical = field_validator("keep_rate", mode="before")(canonical_rate)

    def budgets(self, shape: Shape, limits: Limits) -> tuple[Budget, ...]:
        if Fraction(self.keep_rate) < limits.min_keep_rate:
            raise ValueError(
                f"method {limits.method!r} cannot keep less than {float(limits.min_keep_rate)} of the "
                f"tokens, got keep_rate {self.keep_rate}"
            )
        check_blocks(self.locations, shape.depth, limits)
        return tuple(
            Budget(
                block,
                token_budget(shape.num_tokens, self.keep_rate, stage),
                share=float(self.keep_rate) ** stage,
            )
            for stage, block in enumerate(self.locations, 1)
        )


def _acting(blocks: tuple[int, ...] | None, shape: Shape, limits: Limits) -> tuple[int, ...]:
    """Blocks in which a schedule removes tokens, all by default."""
    if blocks is None:
        return tuple(range(limits.first_block, shape.depth))
    check_blocks(blocks, shape.depth, limits)
    return blocks


def _blocks_field() -> Any:
    return Field(None, description="blocks in which tokens are removed, ascending, counted from 0; null: all")


class Constant(Schedule):
    """A constant number of tokens per block, as ToMe's r, or a number that rises or falls linearly.

    In the last blocks a stage removes fewer tokens if the method can remove no more (half of its tokens where
    it merges pairs), or if no token would be left.
    """

    kind: Literal["constant"] = kind_field("constant")
    number: PositiveInt = Field(description="tokens that are removed in each block, on average")
    inflect: float = Field(
        0.0,
        ge=-1,
        le=1,
        description="slope: -1 falls from twice the number to 0, 0 is constant, 1 rises from 0 to twice it",
    )
    blocks: tuple[NonNegativeInt, ...] | None = _blocks_field()

    def removed(self, depth: int) -> list[int]:
        """The number of tokens to remove in each of `depth` blocks (ToMe's `parse_r`).

        >>> Constant(number=8, inflect=-1).removed(4)
        [16, 10, 5, 0]
        """
        first = int(self.number * (1 - self.inflect))
        last = 2 * self.number - first
        step = (last - first) / (depth - 1) if depth > 1 else 0.0
        return [int(first + step * block) for block in range(depth)]

    def budgets(self, shape: Shape, limits: Limits) -> tuple[Budget, ...]:
        blocks, removed = _acting(self.blocks, shape, limits), self.removed(shape.depth)
        tokens, kept = shape.num_tokens, []
        for block in blocks:
            tokens = max(tokens - removed[block], limits.least(tokens))
            kept.append(tokens)
        return budgets_of(dict(zip(blocks, kept, strict=True)), shape.num_tokens)


class Ratio(Schedule):
    """A constant ratio: each block removes floor(N - N * keep) of its N tokens, in floating point."""

    kind: Literal["ratio"] = kind_field("ratio")
    keep: float = Field(gt=0, le=1, description="fraction of its tokens that each block keeps")
    count_cls: bool = Field(
        False, description="whether N counts the CLS token too (as ToFu's published ratios)"
    )
    blocks: tuple[NonNegativeInt, ...] | None = _blocks_field()

    def budgets(self, shape: Shape, limits: Limits) -> tuple[Budget, ...]:
        blocks, tokens, kept = _acting(self.blocks, shape, limits), shape.num_tokens, {}
        for block in blocks:
            counted = tokens + self.count_cls
            removed = math.floor(counted - counted * self.keep)
            if tokens - removed < limits.least(tokens):
                raise ValueError(
                    f"schedule: keep {self.keep} removes {removed} of {tokens} tokens in block {block}, and "
                    f"method {limits.method!r} must keep at least {limits.least(tokens)}"
                )
            tokens -= removed
            kept[block] = tokens
        return budgets_of(kept, shape.num_tokens)


class Kept(Schedule):
    """A list of the numbers of tokens that are left after each block."""

    kind: Literal["kept"] = kind_field("kept")
    tokens: tuple[PositiveInt, ...] = Field(
        min_length=1, description="spatial tokens (without CLS) left after each block, one number per block"
    )

    def budgets(self, shape: Shape, limits: Limits) -> tuple[Budget, ...]:
        check_length("tokens", self.tokens, shape.depth)
        check_kept(self.tokens, shape.num_tokens, limits)
        return budgets_of(dict(enumerate(self.tokens)), shape.num_tokens)


class DiffRate(Schedule):
    """DiffRate's two lists: numbers of tokens that are left in each block by pruning, and then by merging.

    Entries above the current number of tokens change nothing, as in the published lists. Entries above the
    number of tokens of the input grid are an error: the lists are those of another model.
    """

    kind: Literal["diffrate"] = kind_field("diffrate")
    prune: tuple[PositiveInt, ...] = Field(
        min_length=1, description="tokens, CLS included, left by pruning, one number per block"
    )
    merge: tuple[PositiveInt, ...] = Field(
        min_length=1, description="tokens, CLS included, left by merging after that, one number per block"
    )

    @model_validator(mode="after")
    def _keep_cls(self) -> DiffRate:
        for name in ("prune", "merge"):
            for block, number in enumerate(getattr(self, name)):
                if number < 2:
                    raise ValueError(
                        f"{name}: {number} in block {block} leaves CLS alone: expected 2 or more"
                    )
        return self

    @classmethod
    def from_file(cls, path: str | Path, model: str, gmacs: float | str) -> DiffRate:
        """The lists of a file in the format of DiffRate's `compression_rate.json`.

        Args:
            path: the JSON file.
            model: name of the model in the file, such as "ViT-S-DeiT".
            gmacs: cost of the model in billions of multiply-accumulates, as in the file.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged, or lacks the model or the cost.
        """
        lists = read_lists(path, model, gmacs)
        try:
            made = cls(**lists)
        except ValueError as error:
            raise ValueError(f"{path}: model {model!r}, cost {gmacs}: {error}") from None
        return made.model_copy(update={"kind": made.kind})  # a field that is set, as in configurations

    def budgets(self, shape: Shape, limits: Limits) -> tuple[Budget, ...]:
        if not limits.prunes_and_merges:
            raise ValueError(
                f"method {limits.method!r} takes one number of tokens per block, and schedule 'diffrate' has "
                "two: expected another kind, such as 'kept'"
            )
        for key, numbers in (("prune", self.prune), ("merge", self.merge)):
            check_length(key, numbers, shape.depth)
            if max(numbers) > shape.num_tokens + 1:
                raise ValueError(
                    f"schedule: {key}: found {max(numbers)} tokens, expected at most {shape.num_tokens + 1}, "
                    "which the model has with CLS: the lists are those of another model"
                )
        tokens, budgets = shape.num_tokens, []
        for block, (prune, merge) in enumerate(zip(self.prune, self.merge, strict=True)):
            pruned = min(prune - 1, tokens)
            kept = min(merge - 1, pruned)
            if kept < tokens:
                budgets.append(Budget(block, kept, kept / shape.num_tokens, pruned_to=pruned))
            tokens = kept
        return tuple(budgets)


class DiffRateFile(Schedule):
    """DiffRate's two lists, from a file in the format of its `compression_rate.json`."""

    kind: Literal["diffrate_file"] = kind_field("diffrate_file")
    file: str = Field(description="JSON file; a relative path starts in the working folder")
    model: str = Field(description="name of the model in the file, such as ViT-S-DeiT")
    gmacs: float | str = Field(
        description="cost of the model in billions of multiply-accumulates, as in the file"
    )

    def read(self) -> DiffRate:
        """The lists; errors as for `DiffRate.from_file`."""
        return DiffRate.from_file(self.file, self.model, self.gmacs)

    def budgets(self, shape: Shape, limits: Limits) -> tuple[Budget, ...]:
        return self.read().budgets(shape, limits)


def budgets_of(kept: dict[int, int], num_tokens: int) -> tuple[Budget, ...]:
    """Stages in the blocks that remove tokens, from the number of tokens left after some blocks."""
    budgets, tokens = [], num_tokens
    for block in sorted(kept):
        if kept[block] < tokens:
            budgets.append(Budget(block, kept[block], kept[block] / num_tokens))
        tokens = kept[block]
    return tuple(budgets)


def check_length(key: str, values: Sequence[int], depth: int) -> None:
    """Raise ValueError for a list that does not have one number per block."""
    if len(values) != depth:
        raise ValueError(f"schedule: {key}: expected {depth} numbers, one per block, found {len(values)}")


def check_kept(kept: Iterable[int], num_tokens: int, limits: Limits) -> None:
    """Raise ValueError for a list that grows, or that removes more than a method can."""
    before = num_tokens
    for block, number in enumerate(kept):
        if number > before:
            raise ValueError(
                f"schedule: {number} tokens after block {block} are more than the {before} that enter it"
            )
        if number < before and block < limits.first_block:
            raise ValueError(
                f"schedule: tokens are removed in block {block}, and method {limits.method!r} can do so from "
                f"block {limits.first_block} on"
            )
        if number < limits.least(before):
            raise ValueError(
                f"schedule: block {block} leaves {number} of {before} tokens, and method {limits.method!r} "
                f"must keep at least {limits.least(before)}"
            )
        before = number
