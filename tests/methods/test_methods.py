"""What holds for every method: shapes, nesting, batching, training, determinism."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F

import tokred
from tests.small_models import EACH_METHOD, METHOD_RATES, RATES, REDUCING, by_method, images, small_vit
from tokred.methods.base import Context
from tokred.methods.registry import METHODS, Family
from tokred.methods.soft import merge
from tokred.models.trace import Trace
from tokred.schedules.budget import token_budget


def traced(method: str, rate: str, count: int = 4, **shape: object) -> tuple[torch.Tensor, Trace]:
    torch.manual_seed(3)
    model = tokred.reduce(small_vit(**shape), method, rate)
    with torch.no_grad():
        return model.trace(images(count))


@pytest.mark.parametrize(("method", "rate"), by_method(METHOD_RATES))
def test_trace_is_consistent(method: str, rate: str) -> None:
    logits, trace = traced(method, rate)
    spec = METHODS[method]
    assert logits.shape == (4, 5)
    assert torch.isfinite(logits).all()
    assert trace.cls.shape == (4, 4, 24)
    kept_before = torch.ones(4, 64, dtype=torch.bool)
    before = None
    for stage in trace.stages:
        slots = stage.anchor.shape[1]
        assert stage.assign.shape == (4, 64)
        assert stage.assign.min() >= -1
        assert stage.assign.max() < slots
        assert stage.anchor.min() >= -1
        assert stage.anchor.max() < 64
        for image in range(4):
            anchors = stage.anchor[image][stage.anchor[image] >= 0]
            assert len(anchors.unique()) == len(anchors)
            assert kept_before[image][anchors].all(), "a token came back"
            for slot in (stage.anchor[image] >= 0).nonzero().flatten():
                assert stage.assign[image, stage.anchor[image, slot]] == slot
            kept_before[image] = False
            kept_before[image][anchors] = True
        assert spec.kept == bool((stage.anchor >= 0).any())
        if spec.family is Family.COMBINED:
            assert (stage.assign < 0).any()
        elif spec.family is not Family.FIXED:  # whose radius may reach around all tokens of a small grid
            assert spec.clusters == bool((stage.assign >= 0).all())
        if before is not None:
            assert (stage.assign[before == -1] == -1).all(), "a dropped token came back"
            for image in range(4):
                for slot in before[image][before[image] >= 0].unique():
                    members = stage.assign[image][before[image] == slot]
                    assert len(members.unique()) == 1, "a merged cluster was split"
        before = stage.assign


@pytest.mark.parametrize(("method", "rate"), by_method(METHOD_RATES))
def test_number_of_slots(method: str, rate: str) -> None:
    _, trace = traced(method, rate)
    family, entering = METHODS[method].family, 64
    for index, stage in enumerate(trace.stages, 1):
        slots, budget = stage.anchor.shape[1], token_budget(64, rate, index)
        if family is Family.FIXED:
            assert slots == len(stage.assign[0][stage.assign[0] >= 0])
            assert abs(slots - budget) <= 16
        elif family is Family.DYNAMIC:
            assert 1 <= slots <= budget
        elif METHODS[method].min_keep_rate == "0.5":  # at most half of the tokens can merge
            assert slots == max(budget, entering - entering // 2)
        else:
            assert slots == budget + (method == "evit")
        entering = slots


@pytest.mark.parametrize("method", EACH_METHOD)
@pytest.mark.parametrize("rate", ["0.50", "0.90"])
def test_batching_changes_no_result(method: str, rate: str) -> None:
    torch.manual_seed(3)
    model = tokred.reduce(small_vit(), method, rate)
    batch = images(6)
    with torch.no_grad():
        together, trace = model.trace(batch)
        for index in range(len(batch)):
            alone, alone_trace = model.trace(batch[index : index + 1])
            torch.testing.assert_close(alone[0], together[index], atol=1e-5, rtol=1e-5)
            for one, all_ in zip(alone_trace.stages, trace.stages, strict=True):
                same = one.assign[0] == all_.assign[index]
                if one.margin is not None:  # what differs is a tie but for rounding
                    same |= one.margin[0] < 1e-5
                assert same.all()
                slots = one.anchor.shape[1]
                assert torch.equal(one.anchor[0], all_.anchor[index, :slots])
                assert (all_.anchor[index, slots:] == -1).all()


def test_ats_pads_images_of_different_counts() -> None:
    """Images that keep different numbers of tokens at every stage, and padding that is never sampled."""
    _, trace = traced("ats", "0.90", count=8)
    for stage in trace.stages:
        counts = (stage.anchor >= 0).sum(dim=1)
        assert len(counts.unique()) > 1, "the images keep the same number of tokens, nothing is padded"
        assert (stage.assign >= 0).sum(dim=1).equal(counts)


@pytest.mark.parametrize("method", EACH_METHOD)
def test_training_mode_agrees_with_evaluation(method: str) -> None:
    torch.manual_seed(3)
    model = tokred.reduce(small_vit(), method, 0.7)
    with torch.no_grad():
        expected, patterns = model.eval().trace(images())
        found, trained_patterns = model.train().trace(images())
    if method == "dtem":  # merges softly
        assert not torch.allclose(found, expected)
        return
    if method == "dynamicvit":  # masks at random instead of removing
        assert not torch.allclose(found, expected)
        assert all(stage.assign.equal(torch.arange(64).expand(4, -1)) for stage in trained_patterns.stages)
        return
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    for one, other in zip(patterns.stages, trained_patterns.stages, strict=True):
        assert torch.equal(one.assign, other.assign)


@pytest.mark.parametrize("method", EACH_METHOD)
def test_gradients_reach_every_parameter(method: str) -> None:
    torch.manual_seed(3)
    model = tokred.reduce(small_vit(), method, 0.5).train()
    loss = F.cross_entropy(model(images()), torch.tensor([0, 1, 2, 3]))
    assert (model.extra_loss is not None) == (method == "dynamicvit")
    if model.extra_loss is not None:
        assert model.extra_loss.item() > 0
        loss = loss + model.extra_loss
    loss.backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


@pytest.mark.parametrize("method", EACH_METHOD)
def test_same_input_same_bits(method: str) -> None:
    torch.manual_seed(3)
    model = tokred.reduce(small_vit(), method, 0.7)
    with torch.no_grad():
        first, second, copied = model(images()), model(images()), copy.deepcopy(model)(images())
    assert torch.equal(first, second)
    assert torch.equal(first, copied)


@pytest.mark.parametrize("method", EACH_METHOD)
def test_keeping_everything(method: str) -> None:
    """At keep rate 1 nothing is removed; methods that only remove then compute what the ViT does."""
    vit = small_vit()
    model = tokred.reduce(vit, method, 1.0)
    with torch.no_grad():
        logits, trace = model.trace(images())
        exact = (Family.FIXED, Family.STATIC, Family.HARD, Family.COMBINED)
        if METHODS[method].family in exact and method != "dpcknn":
            torch.testing.assert_close(logits, vit(images()), atol=1e-5, rtol=1e-5)
    assert torch.isfinite(logits).all()
    if not METHODS[method].dynamic:
        assert (trace.stages[-1].assign >= 0).all()


@pytest.mark.parametrize("method", EACH_METHOD)
@pytest.mark.parametrize("locations", [(2, 5), (11,), (1, 2, 3, 4)])
def test_other_locations(method: str, locations: tuple[int, ...]) -> None:
    model = tokred.reduce(small_vit(), method, 0.7, locations=locations)
    with torch.no_grad():
        logits, trace = model.trace(images())
    assert torch.isfinite(logits).all()
    assert len(trace.stages) == len(locations)
    assert trace.cls.shape[1] == len(locations) + 1


@pytest.mark.parametrize("method", EACH_METHOD)
def test_autocast(method: str) -> None:
    model = tokred.reduce(small_vit(), method, 0.5)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(images())
    assert torch.isfinite(logits).all()


def test_rates_cover_all_methods() -> None:
    assert {name for name, _ in METHOD_RATES} == set(REDUCING)
    pairing = {name for name in REDUCING if (name, "0.25") not in METHOD_RATES}
    assert {"tome", "pitome", "tofu"} <= pairing
    assert {METHODS[name].min_keep_rate for name in pairing} == {"0.5"}
    assert len(METHOD_RATES) == len(REDUCING) * len(RATES) - len(pairing)


def test_subnormal_weights_change_no_sum_and_still_assign() -> None:
    """Token 1 belongs to no slot to speak of, and to slot 2 more than to others."""
    x = torch.randn(1, 3, 8, generator=torch.Generator().manual_seed(0))
    weights = torch.tensor([[[0.7, 0.1, 0.2], [1e-42, 0.0, 1e-40], [0.3, 0.9, 0.8]]])
    reduction = merge(x, weights, Context(trace=True))
    assert torch.equal(reduction.tokens, weights.transpose(1, 2) @ x)
    assert reduction.assign.tolist() == [[0, 2, 1]]
