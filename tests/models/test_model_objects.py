"""Reduced models as objects: hooks, sharing with the ViT, copies, pickles, passes that overlap."""

from __future__ import annotations

import copy
import pickle
from collections import Counter
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from timm.utils import ModelEmaV3
from torch import Tensor, nn
from torch.nn.utils import prune
from torch.utils.checkpoint import checkpoint

import tokred
from tests.small_models import EACH_METHOD, REDUCING, by_method, images, small_vit
from tests.typical import slow_after_first
from tokred.methods.base import Context
from tokred.methods.registry import METHODS
from tokred.models.vision_transformer import ReducedVisionTransformer
from tokred.schedules.macs import Site


def reduced(method: str, keep_rate: float = 0.5, **shape: object) -> ReducedVisionTransformer:
    vit = small_vit(**shape)
    torch.manual_seed(3)
    return tokred.reduce(vit, method, keep_rate)


# Hooks


def test_hooks_of_a_model_are_its_own() -> None:
    """Neither its ViT's nor those of other models made of it, on whatever part they are."""
    vit, calls = small_vit(), []
    one, other = tokred.reduce(vit, "topk", 0.5), tokred.reduce(vit, "tome", 0.5)
    for name, model in (("vit", vit), ("one", one), ("other", other)):
        for part in ("", "norm", "blocks.3", "blocks.3.attn.qkv", "blocks.11.mlp.fc1"):
            module = model.get_submodule(part)
            module.register_forward_hook(lambda m, given, out, seen=f"{name} {part}": calls.append(seen))
    for name, model in (("vit", vit), ("one", one), ("other", other)):
        calls.clear()
        model(images())
        assert len(calls) == 5
        assert all(call.startswith(name) for call in calls)


def test_hooks_of_the_vit_are_inherited() -> None:
    """As with `copy.deepcopy`: what the ViT does with its input, a model made of it does too."""
    vit = small_vit()
    handle = vit.register_forward_pre_hook(lambda m, given: (given[0] * 2,))
    model = tokred.reduce(vit, "none")
    handle.remove()
    assert torch.equal(model(images()), vit(2 * images()))
    pruned = small_vit()
    prune.l1_unstructured(pruned.blocks[3].mlp.fc1, "weight", 0.5)
    model = tokred.reduce(pruned, "topk", 0.5)
    expected = model(images())
    with torch.no_grad():
        model.blocks[3].mlp.fc1.weight_orig.mul_(2)
    assert not torch.equal(model(images()), expected)


def calls_of(model: nn.Module, batch: Tensor) -> Counter:
    """How often hooks on each module fire in a pass."""
    count = Counter()
    for name, module in model.named_modules():
        module.register_forward_hook(lambda m, given, out, name=name: count.update([name]))
        module.register_forward_pre_hook(lambda m, given, name=name: count.update([f"before {name}"]))
    model(batch)
    return count


@pytest.mark.parametrize("method", EACH_METHOD)
@pytest.mark.parametrize("training", [False, True])
def test_hooks_fire_as_in_timm(method: str, training: bool) -> None:
    shape = {"qk_norm": True, "init_values": 0.1, "scale_attn_norm": True}
    expected = calls_of(small_vit(**shape).train(training), images())
    found = calls_of(reduced(method, **shape).train(training), images())
    assert found["before blocks.3.attn"] == found["blocks.11"] == 1
    if METHODS[method].site is Site.REUSE:  # values are those of the merged tokens, by a second call
        again = [f"blocks.{block}.{part}" for block in (3, 6, 9) for part in ("norm1", "attn.qkv")]
        expected.update([*again, *(f"before {name}" for name in again)])
    for name, times in expected.items():
        if name.endswith("attn.attn_drop"):  # which timm's fused attention does not call
            continue
        assert found[name] == times, name
    assert found["reducers.0"] == 1


@pytest.mark.parametrize("method", EACH_METHOD)
def test_hooks_see_what_goes_in_and_out(method: str) -> None:
    """A block's tokens before and after its stage, all of those that are left after the last block."""
    model, sizes = reduced(method), {}
    for name in (*(f"blocks.{i}" for i in range(12)), "blocks.3.attn", "norm"):
        model.get_submodule(name).register_forward_hook(
            lambda m, given, out, name=name: sizes.__setitem__(name, (given[0].shape[1], out.shape[1]))
        )
    with torch.no_grad():
        model(images())
        counts = [1 + stage.anchor.shape[1] for stage in model.trace(images())[1].stages]
    before = counts[0] if model.spec.site is Site.BEFORE else 65
    assert sizes["blocks.3"] == (before, counts[0])
    assert sizes["blocks.3.attn"] == (
        before,
        counts[0] if model.spec.site in (Site.WITHIN, Site.REUSE) else before,
    )
    for index, (given, out) in enumerate(sizes[f"blocks.{i}"] for i in range(12)):
        if index > 0:
            assert out == (65, *counts)[sum(index >= location for location in (3, 6, 9))]
        assert given >= out
    assert sizes["blocks.11"] == sizes["norm"] == (counts[2], counts[2])


@pytest.mark.parametrize("method", EACH_METHOD)
@pytest.mark.parametrize("block", slow_after_first([3, 4, 11]))
@torch.no_grad()
def test_hooks_change_what_goes_in_and_out(method: str, block: int) -> None:
    """A hook's value takes the place of the module's."""
    model = reduced(method)
    plain = model(images())
    out = model.blocks[block].register_forward_hook(lambda m, given, out: out * 0)
    zero = model(images())
    out.remove()
    assert not torch.allclose(zero, plain)
    given = model.blocks[block].attn.register_forward_pre_hook(lambda m, given: (given[0] * 0,))
    assert not torch.allclose(model(images()), plain)
    given.remove()
    torch.testing.assert_close(model(images()), plain)
    if block == 11:  # the head sees a norm of zeros
        torch.testing.assert_close(zero, model.head(model.norm.bias).expand(4, -1))


def test_gradients_in_hooks() -> None:
    model, seen = reduced("tome").train(), []
    for block in model.blocks:
        block.register_full_backward_hook(lambda m, given, out: seen.append(tuple(out[0].shape)))
    model(images()).sum().backward()
    counts = [8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64]
    assert seen == [(4, 1 + count, 24) for count in counts]


# Sharing


def test_training_the_model_trains_the_vit() -> None:
    vit = small_vit()
    model, sibling = tokred.reduce(vit, "sit", 0.5), tokred.reduce(vit, "topk", 0.5)
    shared = dict(vit.named_parameters())
    for name, parameter in model.named_parameters():
        assert name.startswith("reducers.") or parameter is shared[name]
    before = vit(images())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.train()(images()).sum().backward()
    optimizer.step()
    assert not torch.allclose(vit(images()), before)
    sibling.load_state_dict(small_vit().state_dict())
    torch.testing.assert_close(vit(images()), small_vit()(images()))
    model.double()
    assert {p.dtype for p in vit.parameters()} == {torch.float64}


def test_modes_are_the_models_own() -> None:
    """Dropout of a model that trains acts in that model alone."""
    vit = small_vit(proj_drop_rate=0.5, drop_path_rate=0.5)
    model, sibling = tokred.reduce(vit, "topk", 0.5), tokred.reduce(vit, "evit", 0.5)
    model.train()
    assert not vit.blocks[0].mlp.drop1.training
    assert torch.equal(sibling(images()), sibling(images()))
    assert not torch.equal(model(images()), model(images()))
    model.eval()
    assert torch.equal(model(images()), model(images()))
    assert tokred.reduce(vit.train(), "dynamicvit", 0.5).reducers[0].training


def test_compiled_and_replaced_forward() -> None:
    """A model made of a compiled ViT runs its own code; one whose code was replaced is refused."""
    vit = small_vit()
    vit.compile(backend="eager")
    expected = tokred.reduce(small_vit(), "topk", 0.5)(images())
    assert torch.equal(tokred.reduce(vit, "topk", 0.5)(images()), expected)
    vit.blocks[2].forward = vit.blocks[2].forward
    with pytest.raises(ValueError, match=r"forward method of blocks\.2 has been replaced"):
        tokred.reduce(vit, "topk", 0.5)


# Copies


@pytest.mark.slow
@pytest.mark.parametrize("method", EACH_METHOD)
def test_copies_after_training(method: str, tmp_path: Path) -> None:
    """Copies, moving averages and pickles of a model that has just learned and traced."""
    model = reduced(method).train()
    loss = F.cross_entropy(model(images()), torch.tensor([0, 1, 2, 3]))
    (loss if model.extra_loss is None else loss + model.extra_loss).backward()
    model.trace(images())
    torch.save(model, tmp_path / "model.pt")
    copies = [
        copy.deepcopy(model),
        copy.copy(model),
        pickle.loads(pickle.dumps(model)),
        torch.load(tmp_path / "model.pt", weights_only=False),
        ModelEmaV3(model).module,
    ]
    expected = model.eval()(images())
    for one in copies:
        assert one.extra_loss is None
        assert torch.equal(one.eval()(images()), expected)
        assert type(one) is ReducedVisionTransformer
    with torch.no_grad():
        copies[0].head.weight.zero_()
    assert torch.equal(model(images()), expected)


def test_extra_loss_outlives_a_copy() -> None:
    model = reduced("dynamicvit").train()
    model(images())
    copy.deepcopy(model)
    model.extra_loss.backward()
    assert model.reducers[0].local[1].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("method", EACH_METHOD)
def test_state_dict(method: str) -> None:
    """It holds tensors alone, and gives another model the same function."""
    model = reduced(method).train()
    model(images())
    state = model.state_dict()
    other = tokred.reduce(small_vit(), method, 0.5)
    other.load_state_dict(state)
    torch.testing.assert_close(other(images()), model.eval()(images()))


# Passes that overlap


def gradients_of(model: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("method", by_method(name for name in REDUCING if name != "dynamicvit"))
def test_two_passes_before_one_backward(method: str) -> None:
    """The gradients of one pass over both batches."""
    model = reduced(method).train()
    model(images())  # now Sinkhorn's queries have unit length in all that follows
    first, second = images(8)[:4], images(8)[4:]
    found = gradients_of(model, (model(first) - model(second)).square().mean())
    one, two = model(torch.cat([first, second])).chunk(2)
    expected = gradients_of(model, (one - two).square().mean())
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("between", ["no_grad", "inference_mode", "evaluation", "trace", "copy"])
def test_sinkhorn_passes_between(between: str) -> None:
    """Whatever runs between a pass and its backward, the gradients are the same."""
    results = []
    for do in (False, True):
        model = reduced("sinkhorn").train()
        loss = model(images()).square().sum()
        with torch.no_grad():
            if do and between == "no_grad":
                model(images(2))
            if do and between == "trace":
                model.trace(images(2))
        if do and between == "inference_mode":
            with torch.inference_mode():
                model(images(2))
        if do and between == "evaluation":
            model.eval()(images(2))
        if do and between == "copy":
            copy.deepcopy(model)(images(2)).sum().backward()
        results.append(gradients_of(model, loss))
    torch.testing.assert_close(*results)


def test_sinkhorn_projects_while_training() -> None:
    """A pass leaves unit queries, and the parameter has their gradient: the projection is no part of it."""
    model = reduced("sinkhorn").train()
    reducer = model.reducers[0]
    raw = reducer.queries.detach().clone()
    model.eval()(images())
    assert torch.equal(reducer.queries, raw)
    model.train()
    gradient = gradients_of(model, model(images()).square().sum())["reducers.0.queries"]
    unit = F.normalize(raw, dim=1)
    assert torch.equal(reducer.queries, unit)
    # With units for parameters the projection changes nothing, and would only take their own direction away.
    again = gradients_of(model, model(images()).square().sum())["reducers.0.queries"]
    torch.testing.assert_close(gradient, again, atol=1e-6, rtol=1e-4)
    assert (gradient * unit).sum(dim=1).abs().max() > 1e-4


def test_sinkhorn_under_checkpointing_and_in_replicas() -> None:
    model = reduced("sinkhorn").train()
    expected = gradients_of(model, model(images()).square().sum())
    found = gradients_of(model, checkpoint(model, images(), use_reentrant=False).square().sum())
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)
    # As in `nn.DataParallel`, where a replica's parameters are no leaves.
    reducer, x = model.reducers[0], torch.randn(2, 64, 24)
    model.zero_grad()
    reducer(x, Context()).tokens.square().sum().backward()
    expected = reducer.queries.grad.clone()
    model.zero_grad()
    replica = reducer._replicate_for_data_parallel()
    replica.queries = reducer.queries.clone()
    replica(x, Context()).tokens.square().sum().backward()
    torch.testing.assert_close(reducer.queries.grad, expected)
