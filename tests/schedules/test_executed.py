"""Reduced models have the tokens and the matrix products that schedules say."""

from __future__ import annotations

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

import tokred
from tests.small_models import images, small_vit
from tokred.efficiency.counting import counted_by_module
from tokred.methods.attention import MergedAttention
from tokred.methods.base import Context, Reducer, Reduction
from tokred.methods.registry import METHODS, Family, Method
from tokred.schedules import Constant, Kept, Matched, Ratio, Schedule, Stages
from tokred.schedules.macs import Shape, Site, forward_macs, reduced_blocks

SCHEDULES: dict[str, Schedule] = {
    "stages": Stages("0.7"),
    "constant": Constant(4),
    "until half can merge": Constant(9),
    "rising": Constant(4, 1.0),
    "falling": Constant(4, -1.0),
    "ratio": Ratio(0.9),
    "ratio with CLS": Ratio(0.9, count_cls=True),
    "list": Kept((64, 60, 55, 55, 40, 40, 30, 20, 18, 12, 8, 5)),
    "matched": Matched("0.7", "rising"),
}


class FirstPairs(Reducer):
    """Merges the first tokens in pairs, with their attention."""

    def forward(self, x: Tensor, context: Context) -> Reduction:
        num_tokens, kept = x.shape[1], self.stage.budget
        slots = (torch.arange(num_tokens) - (num_tokens - kept)).clamp(min=0)
        slots[: 2 * (num_tokens - kept)] = torch.arange(2 * (num_tokens - kept)) // 2
        merge = torch.nn.functional.one_hot(slots, kept).to(x.dtype)
        merge /= merge.sum(dim=0)
        prefix = context.num_prefix
        assign = torch.cat([torch.arange(prefix), slots + prefix]).expand(len(x), -1)
        share = torch.cat([torch.ones(prefix, dtype=x.dtype), merge.sum(dim=1)]).expand(len(x), -1)
        attention = MergedAttention(context.attention.all_probabilities(), assign, share)
        anchor = torch.full((len(x), kept), -1)
        return Reduction(merge.t() @ x, anchor, slots.expand(len(x), -1), attention=attention)


REUSING = Method(
    "reusing",
    "Reusing",
    Family.HARD,
    "#000000",
    "o",
    f"{__name__}:FirstPairs",
    clusters=True,
    site=Site.REUSE,
    min_keep_rate="0.5",
)


@pytest.fixture(autouse=True)
def reusing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A method that reuses attention."""
    monkeypatch.setitem(METHODS, REUSING.name, REUSING)


def averaging_vit() -> VisionTransformer:
    """A ViT whose last block computes all tokens."""
    return small_vit(global_pool="avg")


# One method for each site at which as many products are executed as publications count. (Methods that choose
# tokens within attention compute it for the chosen queries alone.)
@pytest.mark.slow
@pytest.mark.parametrize("method", ["sit", "tome", "reusing"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_tokens_and_products_are_those_of_the_schedule(method: str, name: str) -> None:
    schedule, spec = SCHEDULES[name], METHODS[method]
    model = tokred.reduce(averaging_vit(), method, schedule=schedule)
    shape = Shape.of(model)
    kept = {budget.block: budget.kept for budget in schedule.budgets(shape, spec.limits)}
    assert model.locations == tuple(kept)
    tokens: list[int] = []
    for block in model.blocks:
        block.register_forward_hook(lambda module, inputs, output: tokens.append(output.shape[1]))
    model(images(2))
    blocks = reduced_blocks(shape, spec.site, kept)
    assert tokens == [block.mlp for block in blocks]
    parts = counted_by_module(lambda: model(images(1)))
    macs, whole = forward_macs(shape, blocks), "ReducedVisionTransformer"
    assert macs.embedding == parts[f"{whole}.patch_embed"]
    assert macs.head == parts[f"{whole}.head"]
    assert macs.mlp == sum(parts[f"{whole}.blocks.{block}.mlp"] for block in range(12))
    executed = sum(parts[f"{whole}.blocks.{block}.attn"] for block in range(12))
    if method == "reusing":  # merging has products, and attention is merged by means of all tokens
        entering = [65, *tokens]
        executed -= sum(_merging(entering[block], tokens[block]) for block in kept)
    assert macs.attention == executed


def _merging(before: int, after: int) -> int:
    """Products of `FirstPairs` for one image of width 24, beyond those that are counted."""
    return (before - 1) * (after - 1) * 24 + (before**2 - after**2) * 24


def test_reused_attention_is_that_of_merged_tokens() -> None:
    """Where no token is merged, a reduced model is the ViT."""
    vit = averaging_vit().double()
    model = tokred.reduce(vit, "reusing", schedule=Kept((64,) * 12))
    pictures = images(2).double()
    assert torch.equal(model(pictures), vit(pictures))
    merged, trace = tokred.reduce(vit, "reusing", schedule=Constant(3, blocks=(1, 2))).trace(pictures)
    assert merged.shape == (2, 5)
    assert [stage.anchor.shape[1] for stage in trace.stages] == [61, 58]
