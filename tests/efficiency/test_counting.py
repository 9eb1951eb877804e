"""Executed multiply-accumulates: counted by hand, by formula, and by component."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import tokred
from tests.small_models import EACH_METHOD, images, small_vit
from tokred.efficiency.counting import counted, counted_by_module, executed_macs
from tokred.efficiency.macs import block_tokens
from tokred.methods.registry import METHODS
from tokred.models.reduced import ReducedModel
from tokred.schedules import Stages
from tokred.schedules.macs import Macs, Shape, Site, executed_blocks, forward_macs

#: Methods that keep other numbers of tokens than the schedule says: rings of tokens, as the image demands, or
#: one that stands for those that are dropped.
OF_THEIR_OWN = {"l1", "l2", "linf", "ats", "evit"}


def reduced(method: str, rate: str = "0.50", **changes: object) -> ReducedModel:
    return tokred.reduce(small_vit(**changes), method, schedule=Stages(rate)).eval()


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (lambda: torch.ones(3, 4) @ torch.ones(4, 5), 60),
        (lambda: torch.ones(2, 3, 4) @ torch.ones(4, 5), 120),
        (lambda: torch.ones(3, 4) @ torch.ones(4), 12),
        (lambda: torch.ones(4) @ torch.ones(4), 4),
        (lambda: torch.einsum("bhnd,bhmd->bnm", torch.ones(2, 3, 5, 4), torch.ones(2, 3, 6, 4)), 720),
        (lambda: F.linear(torch.ones(2, 7, 4), torch.ones(5, 4), torch.ones(5)), 280),
        (lambda: F.conv2d(torch.ones(2, 3, 8, 8), torch.ones(6, 3, 4, 4), stride=4), 2 * 4 * 6 * 48),
        # Few tokens and many have different kernels.
        (lambda: torch.cdist(torch.ones(2, 5, 4), torch.ones(2, 6, 4)), 240),
        (lambda: torch.cdist(torch.ones(2, 30, 4), torch.ones(2, 40, 4)), 2 * 30 * 40 * 4),
        # Scores and weighted values.
        (lambda: F.scaled_dot_product_attention(*[torch.ones(2, 3, 5, 4)] * 3), 2 * 3 * 2 * 5 * 5 * 4),
        (lambda: torch.ones(3) * torch.ones(3) + torch.ones(3).sum(), 0),
    ],
)
def test_products_counted_by_hand(work, expected: int) -> None:
    assert counted(work) == expected


def test_components_of_the_unreduced_model_are_those_of_the_formula() -> None:
    vit = small_vit()
    found = executed_macs(vit, images(2))
    expected = forward_macs(Shape.of(vit), Shape.of(vit).unreduced())
    assert (found.embedding, found.attention, found.mlp, found.head) == (
        expected.embedding,
        expected.attention,
        expected.mlp,
        expected.head,
    )
    assert found.reduction == 0
    assert found.total == expected.total


@pytest.mark.parametrize("method", [case for case in EACH_METHOD if case.values[0] not in OF_THEIR_OWN])
def test_executed_macs_are_those_of_the_formula_and_of_the_reduction(method: str) -> None:
    """Attention that is not computed for dropped queries, and the last block's CLS token alone."""
    model = reduced(method)
    found, shape, site = executed_macs(model, images(1)), Shape.of(model), METHODS[method].site
    kept = {budget.block: budget.kept for budget in Stages("0.50").budgets(shape, METHODS[method].limits)}
    expected = forward_macs(shape, executed_blocks(shape, site, kept, 1))
    if site is Site.REUSE:
        expected = _reusing(shape, expected, kept)
    assert (found.embedding, found.mlp, found.head) == (expected.embedding, expected.mlp, expected.head)
    assert found.attention == expected.attention
    published = forward_macs(shape, block_tokens(shape, method, Stages("0.50")))
    assert found.total - found.reduction < published.total


def _reusing(shape: Shape, expected: Macs, kept: dict[int, int]) -> Macs:
    """MCTF's blocks: the scores count as reduction, and all rows are multiplied with all values."""
    entering, attention = 1 + shape.num_tokens, expected.attention
    for after in kept.values():
        attention -= entering**2 * shape.embed_dim  # the scores
        attention += (entering**2 - (1 + after) ** 2) * shape.embed_dim
        entering = 1 + after
    return Macs(expected.embedding, attention, expected.mlp, expected.head)


def test_the_reduction_of_methods_counted_by_hand() -> None:
    """64, 32 and 16 of 64 tokens with CLS, of width 24 in three heads."""
    tokens = (64, 32, 16)
    # One row of attention.
    assert executed_macs(reduced("topk"), images(1)).reduction == sum(24 * (n + 1) for n in tokens)
    # Half of the tokens against the other half, by keys that are the mean of the heads.
    assert executed_macs(reduced("tome"), images(1)).reduction == sum(8 * (n // 2) ** 2 for n in tokens)
    # All attention scores, and those of half of the tokens against the other half.
    assert executed_macs(reduced("mctf"), images(1)).reduction == sum(
        24 * (n + 1) ** 2 + 24 * (n // 2) ** 2 for n in tokens
    )
    assert executed_macs(reduced("uniform"), images(1)).reduction == 0


def test_the_last_block_is_whole_where_all_its_tokens_are_used() -> None:
    model = reduced("sit", global_pool="avg")
    found, shape = executed_macs(model, images(1)), Shape.of(model)
    expected = forward_macs(shape, block_tokens(shape, "sit", Stages("0.50")))
    assert (found.attention, found.mlp) == (expected.attention, expected.mlp)


def test_what_a_method_prepares_before_the_first_block_is_its_own() -> None:
    """GTP compares all tokens once: its head is the classifier alone."""
    assert executed_macs(reduced("gtp"), images(1)).head == 24 * 5


def test_variable_numbers_of_tokens_are_counted_for_every_image() -> None:
    model, pictures = reduced("ats", "0.90"), images(4)
    each = [executed_macs(model, picture[None]).total for picture in pictures]
    assert executed_macs(model, pictures).total == sum(each) / 4
    assert len(set(each)) > 1


def test_the_count_of_every_module() -> None:
    parts = counted_by_module(lambda: small_vit()(images(1)))
    assert parts["VisionTransformer.head"] == 24 * 5
    assert parts["Global"] == parts["VisionTransformer"]
