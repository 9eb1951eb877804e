"""ATC against a slow formulation for one image: loops over clusters, in double precision."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

import tokred
from tests.formulations import slow_vit
from tests.small_models import images, small_vit
from tokred import schedules
from tokred.methods import atc
from tokred.methods.linkage import in_rounds, in_steps
from tokred.models.vision_transformer import ReducedVisionTransformer
from tokred.schedules import Schedule

LINKAGES = ["single", "complete", "average"]
SCHEDULES = {"constant": schedules.Constant(5), "stages": schedules.Stages("0.50")}
COUNT = 3


def reduced(schedule: Schedule, vit: dict | None = None, **options: object) -> ReducedVisionTransformer:
    return tokred.reduce(small_vit(**(vit or {})).double(), "atc", schedule=schedule, **options)


def rule(kept: dict[int, int], linkage: str, proportional: bool = True) -> slow_vit.Rule:
    """Agglomerative clustering of an image's tokens, by distances between all tokens of two clusters."""
    over = {"single": min, "complete": max, "average": lambda values: sum(values) / len(values)}[linkage]

    def apply(sequence: slow_vit.Sequence) -> None:
        if sequence.block not in kept:
            return
        tokens, cosine = sequence.spatial, slow_vit.cosines(sequence.keys[sequence.num_prefix :])
        groups = [[place] for place in range(len(tokens))]

        def distance(pair: tuple[int, int]) -> float:
            return over([1 - cosine[i][j] for i, j in itertools.product(groups[pair[0]], groups[pair[1]])])

        while len(groups) > kept[sequence.block]:
            first, second = min(itertools.combinations(range(len(groups)), 2), key=distance)
            groups[first] += groups.pop(second)
        merged = [slow_vit.merged([tokens[place] for place in sorted(group)]) for group in groups]
        for token in merged:
            token.key_weight = token.size if proportional else 1.0
            token.size = token.size if proportional else 1.0
        sequence.tokens = sequence.tokens[: sequence.num_prefix] + merged

    return apply


def compare(model: ReducedVisionTransformer, vit: dict, linkage: str, proportional: bool = True) -> None:
    """Logits, and the slot of every input token after every stage."""
    kept = {reducer.stage.block: reducer.stage.budget for reducer in model.reducers}
    pictures = images(COUNT, model.patch_embed.img_size).double()
    with torch.no_grad():
        logits, trace = model.trace(pictures)
    for index, picture in enumerate(pictures):
        slow = slow_vit.run(small_vit(**vit), picture, rule(kept, linkage, proportional))
        for block, stage in zip(model.locations, trace.stages, strict=True):
            assert stage.assign[index].tolist() == slow.slots[block]
        torch.testing.assert_close(logits[index], slow.logits, atol=1e-9, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("linkage", LINKAGES)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_against_loops(linkage: str, schedule: str) -> None:
    model = reduced(SCHEDULES[schedule], linkage=linkage)
    assert len(model.locations) == {"constant": 12, "stages": 3}[schedule]
    compare(model, {}, linkage)


@pytest.mark.slow
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_against_loops_without_sizes(schedule: str) -> None:
    """Tokens that were merged count once in later means, and in attention."""
    compare(reduced(SCHEDULES[schedule], proportional="none"), {}, "average", proportional=False)


@pytest.mark.slow
def test_against_loops_with_registers_and_an_oblong_grid() -> None:
    vit = {"img_size": (24, 40), "reg_tokens": 3}
    compare(reduced(SCHEDULES["stages"], vit), vit, "average")


@pytest.mark.slow
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_gradients_against_loops(schedule: str) -> None:
    """In training mode, of all parameters."""
    model, vit = reduced(SCHEDULES[schedule]).train(), small_vit().double()
    kept = {reducer.stage.block: reducer.stage.budget for reducer in model.reducers}
    pictures = images(2).double()
    model(pictures).square().sum().backward()
    logits = [slow_vit.run(vit, picture, rule(kept, "average")).logits for picture in pictures]
    torch.stack(logits).square().sum().backward()
    found = {name: parameter.grad for name, parameter in model.named_parameters()}
    for name, parameter in vit.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, atol=1e-9, rtol=1e-7)
        assert parameter.grad.abs().sum() > 0


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("batched", [in_rounds, in_steps])
@torch.no_grad()
def test_batched_tensors_give_the_same(
    schedule: str, batched: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What other devices than the CPU compute."""
    model = reduced(SCHEDULES[schedule])
    expected, trace = model.trace(images().double())
    monkeypatch.setattr(atc, "cluster", batched)
    found, of_batched = model.trace(images().double())
    assert torch.equal(found, expected)
    for one, other in zip(trace.stages, of_batched.stages, strict=True):
        assert torch.equal(one.assign, other.assign)


@torch.no_grad()
def test_linkages_differ() -> None:
    logits = [reduced(SCHEDULES["stages"], linkage=linkage)(images().double()) for linkage in LINKAGES]
    for one, other in itertools.combinations(logits, 2):
        assert not torch.allclose(one, other, atol=1e-3)


@torch.no_grad()
def test_sizes_in_pooling() -> None:
    """The mean over tokens counts a merged token by its size; without sizes all count once."""
    model = reduced(SCHEDULES["stages"], {"global_pool": "avg"})
    weight = model.forward_features(images().double()).token_weight
    assert weight.shape == (4, 8)
    assert weight.sum(dim=1).tolist() == [64] * 4
    without = reduced(SCHEDULES["stages"], {"global_pool": "avg"}, proportional="none")
    features = without.forward_features(images().double())
    torch.testing.assert_close(without.pool(features), features[:, 1:].mean(dim=1))


@pytest.mark.parametrize("rate", ["0.25", "0.50", "0.70", "0.90"])
def test_budgets_of_deit(rate: str) -> None:
    """The published numbers of clusters for 196 tokens."""
    expected = {"0.25": [49, 12, 3], "0.50": [98, 49, 24], "0.70": [137, 96, 67], "0.90": [176, 158, 142]}
    model = tokred.reduce(small_vit(img_size=56), "atc", rate)
    assert [reducer.stage.budget for reducer in model.reducers] == expected[rate]


def test_gradients_are_those_of_means() -> None:
    """A token's gradient is that of its cluster, by its share; the choice of clusters has none."""
    model = reduced(schedules.Stages("0.50", (4,))).train()
    x = torch.randn(2, 64, 24, dtype=torch.float64, requires_grad=True)
    reducer = model.reducers[0]
    attention = Attention(torch.randn(2, 3, 64, 8, dtype=torch.float64, requires_grad=True))
    size = torch.rand(2, 64, dtype=torch.float64) + 0.5
    found = reducer(x, tokred.methods.base.Context(attn=attention, size=size))
    found.tokens.sum().backward()
    share = size / found.size.gather(1, found.assign)
    torch.testing.assert_close(x.grad, share.unsqueeze(2).expand_as(x))
    assert attention.keys.grad is None


class Attention:
    """Stands for a block's attention with given keys."""

    def __init__(self, keys: Tensor) -> None:
        self.keys = keys


@pytest.mark.parametrize("value", ["centroid", "ward", None])
def test_unknown_linkages(value: object) -> None:
    with pytest.raises(ValueError, match=r"options of method 'atc'.*\n  linkage: expected 'single'"):
        reduced(SCHEDULES["stages"], linkage=value)
