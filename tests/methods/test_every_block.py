"""Methods that reduce tokens in every block, against loops over the tokens of one image."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import tokred
from tests.formulations import every_block, slow_vit
from tests.formulations.slow_vit import Rule
from tests.small_models import images, small_vit
from tokred import schedules
from tokred.methods.base import Context, Reducer, Stage
from tokred.methods.diffrate import SMALLEST_SIZE, DiffRate
from tokred.methods.matching import match
from tokred.methods.options import DiffRateOptions, PiToMeOptions, ToFuOptions
from tokred.methods.pitome import PiToMe
from tokred.methods.tofu import ToFu
from tokred.models.vision_transformer import ReducedVisionTransformer
from tokred.schedules import Schedule

#: Published lists of DiffRate, scaled to 64 tokens. The second grows at some blocks, which changes nothing.
FALLING = (
    (65, 63, 58, 52, 47, 42, 39, 35, 29, 21, 16, 3),
    (65, 61, 54, 49, 43, 40, 36, 31, 24, 19, 14, 3),
)
UNEVEN = (
    (65, 65, 54, 56, 50, 50, 41, 44, 30, 31, 20, 9),
    (65, 62, 49, 52, 48, 40, 40, 36, 28, 26, 18, 5),
)


def model_of(method: str, schedule: Schedule, shape: dict, **options: object) -> ReducedVisionTransformer:
    return tokred.reduce(small_vit(**shape).double(), method, schedule=schedule, **options)


def kept_by(model: ReducedVisionTransformer) -> dict[int, int]:
    return {reducer.stage.block: reducer.stage.budget for reducer in model.reducers}


def compare(model: ReducedVisionTransformer, rule: Rule, shape: dict) -> None:
    """Logits, groups after every block, and the order of slots after every stage are those of the rule."""
    size = shape.get("img_size", 32)
    pictures, vit = images(2, (size, size)).double(), small_vit(**shape)
    with torch.no_grad():
        logits, trace = model.trace(pictures)
    for index, picture in enumerate(pictures):
        expected = slow_vit.run(vit, picture, rule)
        torch.testing.assert_close(logits[index], expected.logits.detach(), atol=1e-9, rtol=1e-9)
        stages = {b: s.assign[index].tolist() for b, s in zip(model.locations, trace.stages, strict=True)}
        found = list(range(model.patch_embed.num_patches))
        for block, slots in enumerate(expected.slots):
            assert stages.get(block, slots) == slots
            found = stages.get(block, found)
            assert groups(found) == groups(slots)


def groups(slots: list[int]) -> set[frozenset[int]]:
    """The input tokens of each slot, and those that were dropped, without the order of slots."""
    return {frozenset(t for t, slot in enumerate(slots) if slot == each) for each in slots}


SHAPES = [{}, {"img_size": 24}, {"img_size": 28}]
SHAPE_NAMES = ["8x8", "6x6", "7x7"]
PREFIXES = [{"reg_tokens": 1}, {"reg_tokens": 4}]


@pytest.mark.parametrize("shape", [*SHAPES, *PREFIXES], ids=[*SHAPE_NAMES, "1 register", "4 registers"])
@pytest.mark.parametrize("inflect", [0.0, -1.0])
def test_tome(shape: dict, inflect: float) -> None:
    """Also where an odd number of prefix tokens decides which tokens are at even positions."""
    model = model_of("tome", schedules.Constant(4, inflect), shape)
    assert len(model.reducers) >= 8
    compare(model, every_block.tome(kept_by(model)), shape)


def test_tome_without_proportional_attention() -> None:
    model = model_of("tome", schedules.Constant(5), {}, proportional="none")
    compare(model, every_block.tome(kept_by(model), proportional=False), {})
    proportional = model_of("tome", schedules.Constant(5), {})
    with torch.no_grad():
        assert not torch.allclose(model(images().double()), proportional(images().double()), atol=1e-3)


@pytest.mark.parametrize("num_prefix", [0, 1, 2, 5])
def test_position_parity_counts_the_prefix(num_prefix: int) -> None:
    """With an even number of prefix tokens the first spatial token is of A, and merges into a token of B."""
    metric = torch.tensor([[0.2, 1.0], [-1.0, 0.1], [1.0, 0.0], [1.0, 0.05], [-0.3, -1.0]]).double()[None]
    found = match(metric, 1, num_prefix)
    into, merged = (3, 2) if num_prefix % 2 == 0 else (2, 3)
    assert found.merged.tolist() == [[merged]]
    assert found.representative[0, found.target[0, 0]] == into
    if num_prefix % 2 == 0:  # A: 0, 2, 4
        assert found.representative.tolist() == [[0, 4, 1, 3]]
    else:  # A: 1, 3
        assert found.representative.tolist() == [[1, 0, 2, 4]]
    assert match(metric, 0, num_prefix).representative.tolist() == [[0, 1, 2, 3, 4]]


HALVES = {
    "deit": [False] * 6 + [True] * 6,
    "mae": [True] * 6 + [False] * 6,
    "paper": [True] * 12,
}


@pytest.mark.slow
@pytest.mark.parametrize("form", HALVES)
@pytest.mark.parametrize(
    ("keep", "shape"), [(0.9, {}), (0.95, {}), (0.75, {}), (0.9, SHAPES[1]), (0.95, SHAPES[2])]
)
def test_pitome(form: str, keep: float, shape: dict) -> None:
    """Until the last blocks of small grids, which remove no token any more."""
    model = model_of("pitome", schedules.Ratio(keep), shape, form=form)
    assert len(model.reducers) >= (10 if shape == {} else 5)
    compare(model, every_block.pitome(kept_by(model), HALVES[form]), shape)


@pytest.mark.slow
@pytest.mark.parametrize("proportional", ["log", "none"])
def test_pitome_with_other_options(proportional: str) -> None:
    options = {"margin": 0.4, "proportional": proportional}
    model = model_of("pitome", schedules.Ratio(0.85), {}, **options)
    rule = every_block.pitome(kept_by(model), HALVES["deit"], 0.4, proportional == "log")
    compare(model, rule, {})


@pytest.mark.parametrize(("depth", "first_protected"), [(12, 6), (5, 3), (1, 1)])
def test_pitome_protects_in_the_second_half(depth: int, first_protected: int) -> None:
    for block in range(depth):
        found = {form: _reducer(PiToMe, PiToMeOptions(form=form), block, depth).protects for form in HALVES}
        assert found == {"deit": block >= first_protected, "mae": block < first_protected, "paper": True}


@pytest.mark.parametrize("form", HALVES)
def test_pitome_where_nothing_or_half_is_removed(form: str) -> None:
    x, context = _tokens(9), _context(9)
    for block in (0, 11):
        nothing = _reducer(PiToMe, PiToMeOptions(form=form), block, budget=9)(x, context)
        torch.testing.assert_close(nothing.tokens, x)
        assert nothing.assign.tolist() == [list(range(9))] * 2
        half = _reducer(PiToMe, PiToMeOptions(form=form), block, budget=5)(x, context)
        assert sorted(half.size[0].tolist())[0] == 1, "nine tokens cannot form pairs only"
        assert half.size.sum(dim=1).tolist() == [9, 9]
        assert half.tokens.shape == (2, 5, 4)
        assert half.weight is None, "attention does not depend on sizes by default"


@pytest.mark.parametrize("method", ["tome", "pitome", "tofu"])
def test_at_most_half_of_the_tokens_merge(method: str) -> None:
    with pytest.raises(ValueError, match=r"keep 0.45 removes 35 of 64 tokens in block 0, and method"):
        tokred.reduce(small_vit(), method, schedule=schedules.Ratio(0.45))
    model = tokred.reduce(small_vit(), method, schedule=schedules.Constant(40))
    assert [reducer.stage.budget for reducer in model.reducers] == [32, 16, 8, 4, 2, 1]
    assert torch.isfinite(model(images())).all()


@pytest.mark.slow
@pytest.mark.parametrize("mlerp", ["paper", "reimplementation"])
@pytest.mark.parametrize("last_pruning", [None, -1, 2, 11])
def test_tofu(mlerp: str, last_pruning: int | None) -> None:
    schedule = schedules.Ratio(0.9, count_cls=True)
    model = model_of("tofu", schedule, {}, mlerp=mlerp, last_pruning=last_pruning)
    assert len(model.reducers) == 12
    compare(model, every_block.tofu(kept_by(model), 6 if last_pruning is None else last_pruning, mlerp), {})


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape", [*SHAPES[1:], *PREFIXES], ids=[*SHAPE_NAMES[1:], "1 register", "4 registers"]
)
def test_tofu_with_other_numbers_of_tokens(shape: dict) -> None:
    model = model_of("tofu", schedules.Constant(3), shape)
    compare(model, every_block.tofu(kept_by(model), 6), shape)


def test_tofu_drops_then_merges() -> None:
    model = model_of("tofu", schedules.Constant(4), {})
    with torch.no_grad():
        _, trace = model.trace(images().double())
    dropped = [(stage.assign < 0).sum(dim=1).tolist() for stage in trace.stages]
    assert dropped == [[4 * count] * 4 for count in (1, 2, 3, 4, 5, 6, 7, 7, 7, 7, 7, 7)]


def test_mlerp_has_the_largest_norm_and_none_where_there_is_no_direction() -> None:
    x = torch.zeros(1, 9, 4)
    x[0, 1], x[0, 2] = torch.tensor([3.0, 0, 0, 0]), torch.tensor([0, 4.0, 0, 0])  # 1 is of A, 2 of B
    x[0, 3], x[0, 4] = torch.tensor([0, 0, 2.0, 0]), torch.tensor([0, 0, -2.0, 0])
    keys = torch.eye(9)
    keys[1], keys[3] = keys[2], keys[4]
    found = _reducer(ToFu, ToFuOptions(), block=7, budget=7)(x, _context(9, keys.expand(1, 1, 9, 9)))
    assert found.anchor.tolist() == [[5, 7, 0, 2, 4, 6, 8]]
    torch.testing.assert_close(found.tokens[0, 3], torch.tensor([2.4, 3.2, 0, 0]))
    assert found.tokens[0, 4].tolist() == [0, 0, 0, 0]
    assert found.assign[0, [1, 2, 3, 4]].tolist() == [3, 3, 4, 4]


@pytest.mark.slow
@pytest.mark.parametrize("lists", [FALLING, UNEVEN], ids=["falling", "uneven"])
@pytest.mark.parametrize("merge", ["unweighted", "weighted"])
@pytest.mark.parametrize("size", ["similarity", "count"])
def test_diffrate(lists: tuple[tuple[int, ...], tuple[int, ...]], merge: str, size: str) -> None:
    prune, then = lists
    model = model_of("diffrate", schedules.DiffRate(prune=prune, merge=then), {}, merge=merge, size=size)
    compare(model, every_block.diffrate(prune, then, merge == "weighted", size == "similarity"), {})


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape", [*SHAPES[1:], *PREFIXES], ids=[*SHAPE_NAMES[1:], "1 register", "4 registers"]
)
def test_diffrate_with_other_numbers_of_tokens(shape: dict) -> None:
    """Lists that reduce 49 or 36 tokens only from the block on in which they have fewer."""
    num_tokens = small_vit(**shape).patch_embed.num_patches
    prune, merge = ([min(number, num_tokens + 1) for number in numbers] for numbers in FALLING)
    model = model_of("diffrate", schedules.DiffRate(prune=prune, merge=merge), shape)
    compare(model, every_block.diffrate(prune, merge), shape)


@pytest.mark.slow
@pytest.mark.parametrize("prune_share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("proportional", ["log", "none"])
def test_diffrate_with_one_number_per_block(prune_share: float, proportional: str) -> None:
    options = {"prune_share": prune_share, "proportional": proportional}
    model = model_of("diffrate", schedules.Constant(5), {}, **options)
    merge = [65 - 5 * (block + 1) for block in range(12)]
    prune = [number + 5 - int(5 * prune_share) for number in merge]
    compare(model, every_block.diffrate(prune, merge, proportional=proportional == "log"), {})


def test_sizes_by_similarity_stay_positive() -> None:
    """A source that is the opposite of its target takes the target's size; in training it is 1 or more."""
    x = torch.tensor([[1.0, 0, 0, 0], [-1.0, 0, 0, 0], [0, 1.0, 0, 0], [0.6, 0.8, 0, 0]])[None]
    scores = torch.tensor([0.9, 0.8, 0.7, 0.6]).expand(1, 1, 4)
    for training, kept, expected in [
        (False, 1, [SMALLEST_SIZE]),  # 1 - 1 + 0; the last token is dropped
        (True, 1, [1.0]),
        (False, 3, [1.0, 1.0, 1.8]),
        (True, 3, [1.0, 1.0, 1.8]),
    ]:
        reducer = _reducer(DiffRate, DiffRateOptions(), budget=kept, pruned_to=3 if kept == 1 else 4)
        found = reducer.train(training)(x, _context(4, scores=scores))
        torch.testing.assert_close(found.size[0], torch.tensor(expected))
        assert found.weight is found.size


@pytest.mark.parametrize(
    ("method", "counted"), [("tome", 64.0), ("pitome", 64.0), ("tofu", None), ("diffrate", 40.0)]
)
def test_global_pooling_weighs_by_size(method: str, counted: float | None) -> None:
    """DiffRate drops 24 tokens; ToFu counts no sizes."""
    options = {"prune_share": 0.5, "size": "count"} if method == "diffrate" else {}
    vit = small_vit(global_pool="avg")
    model = tokred.reduce(vit, method, schedule=schedules.Constant(4), **options)
    features = model.forward_features(images())
    if counted is None:
        torch.testing.assert_close(
            model.forward_head(features), vit.head(vit.fc_norm(features[:, 1:].mean(1)))
        )
    else:
        assert features.token_weight.sum(dim=1).tolist() == [counted] * 4
        weight = features.token_weight.unsqueeze(2) / counted
        pooled = (features[:, 1:] * weight).sum(dim=1)
        torch.testing.assert_close(model.forward_head(features), vit.head(vit.fc_norm(pooled)))


GRADIENTS = {
    "tome": lambda kept: every_block.tome(kept),
    "pitome": lambda kept: every_block.pitome(kept, HALVES["deit"]),
    "tofu": lambda kept: every_block.tofu(kept, 6),
    "diffrate": lambda kept: every_block.diffrate(
        [number + 4 for number in kept.values()], [number + 1 for number in kept.values()]
    ),  # of five tokens, two are pruned
}


@pytest.mark.slow
@pytest.mark.parametrize("method", GRADIENTS)
def test_gradients_in_training(method: str) -> None:
    """Sizes have none."""
    vit, picture = small_vit().double(), images(1).double()
    model = tokred.reduce(vit, method, schedule=schedules.Constant(5)).train()
    rule = GRADIENTS[method](kept_by(model))
    parameters = dict(vit.named_parameters())
    found = torch.autograd.grad(model(picture).square().sum(), list(parameters.values()))
    expected = slow_vit.run(vit, picture[0], rule).logits.square().sum()
    for name, one, other in zip(
        parameters, found, torch.autograd.grad(expected, list(parameters.values())), strict=True
    ):
        torch.testing.assert_close(one, other, atol=1e-9, rtol=1e-7, msg=lambda text, n=name: f"{n}: {text}")
        assert one.any(), name


class Attention:
    """Stands for a block's attention with given keys and CLS scores."""

    def __init__(self, keys: Tensor, scores: Tensor | None = None) -> None:
        self.keys, self.cls_scores = keys, lambda: scores


def _tokens(count: int) -> Tensor:
    return torch.randn(2, count, 4, generator=torch.Generator().manual_seed(0))


def _context(count: int, keys: Tensor | None = None, scores: Tensor | None = None) -> Context:
    made = torch.randn(2, 3, count, 5, generator=torch.Generator().manual_seed(1))
    return Context(Attention(made if keys is None else keys, scores))


def _reducer(
    method: Callable[[Stage, object], Reducer],
    options: object,
    block: int = 3,
    depth: int = 12,
    budget: int = 6,
    pruned_to: int | None = None,
) -> Reducer:
    stage = Stage(1, 1, budget, budget / 9, (3, 3), 4, block, depth, budgets=(budget,), pruned_to=pruned_to)
    return method(stage, options)
