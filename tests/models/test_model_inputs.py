"""Inputs and precisions: any batch, any layout in memory, traced and exported graphs."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import tokred
from tests.small_models import EACH_METHOD, REDUCING, by_method, images, small_vit
from tests.typical import slow_after_first
from tokred.methods.base import Context, Stage
from tokred.methods.dpcknn import DPCKNN
from tokred.methods.options import DPCKNNOptions
from tokred.models.vision_transformer import ReducedVisionTransformer


def reduced(method: str, **shape: object) -> ReducedVisionTransformer:
    vit = small_vit(**shape)
    torch.manual_seed(3)
    return tokred.reduce(vit, method, 0.5)


@pytest.mark.parametrize("method", ["none", *EACH_METHOD])
@pytest.mark.parametrize("pool", slow_after_first(["token", "avg"]))
@pytest.mark.parametrize("training", slow_after_first([False, True]))
def test_empty_batch(method: str, pool: str, training: bool) -> None:
    model = reduced(method, global_pool=pool).train(training)
    nothing = images(1)[:0]
    model(nothing).sum().backward()
    assert model(nothing).shape == (0, 5)
    logits, trace = model.trace(nothing)
    assert logits.shape == (0, 5)
    assert trace.cls.shape == (0, 4, 24)
    assert all(stage.assign.shape == (0, 64) for stage in trace.stages)
    if pool == "avg":
        assert model.forward_head(model.forward_features(nothing)).shape == (0, 5)
    assert model.forward_intermediates(nothing, 1, output_fmt="NLC")[1][0].shape[::2] == (0, 24)


LAYOUTS = {
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "every other image": lambda x: x.repeat_interleave(2, dim=0)[::2],
    "transposed": lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
    "part of larger images": lambda x: F.pad(x, (3, 2, 1, 4))[:, :, 1:-4, 3:-2],
}


@pytest.mark.slow
@pytest.mark.parametrize("method", EACH_METHOD)
@torch.no_grad()
def test_layouts_in_memory(method: str) -> None:
    for shape in ({}, {"dynamic_img_size": True}):
        model = reduced(method, **shape)
        expected = model(images())
        for layout in LAYOUTS.values():
            torch.testing.assert_close(model(layout(images())), expected, atol=1e-5, rtol=1e-5)
        model.to(memory_format=torch.channels_last)
        torch.testing.assert_close(model(images()), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("method", EACH_METHOD)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("pool", ["token", "avg"])
def test_precisions(method: str, dtype: torch.dtype, pool: str) -> None:
    """Values and gradients of the whole model in another precision; the same choice of tokens in double."""
    vit = reduced(method, global_pool=pool)
    if method == "dynamicvit":  # whose scores are as good as equal at first
        for parameter in vit.reducers.parameters():
            parameter.data.mul_(10 if parameter.ndim > 1 else 1)
    expected = vit(images())
    model = copy.deepcopy(vit).to(dtype)
    found = model(images().to(dtype))
    assert found.dtype is dtype
    if dtype is torch.float64:
        torch.testing.assert_close(found.float(), expected, atol=1e-4, rtol=1e-4)
    assert torch.isfinite(found).all()
    model.train()
    torch.manual_seed(0)
    logits, trace = model.trace(images().to(dtype))
    (logits.sum() + (0 if model.extra_loss is None else model.extra_loss)).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    assert trace.cls.dtype is dtype


@pytest.mark.parametrize("method", EACH_METHOD)
@torch.no_grad()
def test_large_and_dead_features_in_half_precision(method: str) -> None:
    """Scores that leave the range of half precision, and tokens that are all alike or zero."""
    model = reduced(method).half()
    for reducer in model.reducers:
        for parameter in reducer.parameters():
            parameter.mul_(8)
    assert torch.isfinite(model(30 * images().half())).all()
    model.pos_embed.zero_()
    assert torch.isfinite(model(0 * images().half())).all()


@torch.no_grad()
def test_dpcknn_weights_beyond_the_range_of_floats() -> None:
    """exp(100) is no number of single precision; the weighted means are."""
    x = torch.randn(2, 30, 8, generator=torch.Generator().manual_seed(0))
    stage = Stage(1, 3, budget=6, share=0.2, grid=(5, 6), embed_dim=8, block=3, depth=12, budgets=(6, 1, 1))
    reducer = DPCKNN(stage, DPCKNNOptions())
    for scale in (40.0, -40.0, 1.0):
        reducer.score.weight.fill_(scale)
        found = reducer(x, Context())
        weight = reducer.double().score(x.double()).exp()
        reducer.float()
        for slot in range(6):
            member = (found.assign == slot).unsqueeze(2)
            mean = (x * weight * member).sum(1) / ((weight * member).sum(1) + 1e-6)
            torch.testing.assert_close(found.tokens[:, slot], mean.float(), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_sizes_are_exact_in_half_precision() -> None:
    """1,024 tokens, of which a cluster may hold more than the 256 that bfloat16 can count one by one."""
    model = reduced("tome", img_size=128, global_pool="avg").bfloat16()
    weight = model.forward_features(images(2, (128, 128)).bfloat16()).token_weight
    assert weight.dtype is torch.float32
    assert weight.sum(dim=1).tolist() == [1024, 1024]


@pytest.mark.parametrize("method", EACH_METHOD)
def test_inference_mode_and_toggling(method: str) -> None:
    model = reduced(method)
    expected = model(images())
    with torch.inference_mode():
        torch.testing.assert_close(model(images()), expected)
        model.train()(images())
    model.train()(images()).sum().backward()
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(images()), expected)


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor, lambda x: np.array(x, dtype=np.uint8), iter])
def test_kinds_of_locations(kind: object) -> None:
    model = tokred.reduce(small_vit(), "topk", 0.5, kind([2, 5]))
    assert model.locations == (2, 5)
    assert {type(location) for location in model.locations} == {int}


@pytest.mark.parametrize("wrong", [3, [3.0, 6.0], np.array([1.5]), "36", None])
def test_locations_that_are_none(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"locations .*: expected a list of block numbers"):
        tokred.reduce(small_vit(), "topk", 0.5, wrong)


@pytest.mark.parametrize("rate", [np.float64(0.5), np.float32(0.5), "0.50"])
def test_kinds_of_keep_rates(rate: object) -> None:
    assert tokred.reduce(small_vit(), "topk", rate).schedule.keep_rate == "0.50"


TRACED = [(method, "token") for method in REDUCING] + [(method, "avg") for method in ("tome", "ats")]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit.trace:FutureWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(("method", "pool"), by_method(TRACED))
@torch.no_grad()
def test_traced_graphs_take_any_batch(method: str, pool: str) -> None:
    """Also images that keep more tokens than those that the graph was traced with."""
    model = reduced(method, global_pool=pool)
    graph = torch.jit.trace(model, images(2), check_trace=False)
    for batch in (images(5), images(1), images(9)[3:], 5 * images(4), images(1)[:0]):
        torch.testing.assert_close(graph(batch), model(batch), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "pool"), by_method(TRACED))
@torch.no_grad()
def test_exported_graphs_take_any_batch(method: str, pool: str) -> None:
    vit = small_vit(depth=3, global_pool=pool)
    torch.manual_seed(3)
    model = tokred.reduce(vit, method, 0.5, locations=(1, 2))
    exported = torch.export.export(model, (images(2),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    graph = exported.module()
    for batch in (images(5), images(9)[3:], 5 * images(4)):
        torch.testing.assert_close(graph(batch), model(batch), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", by_method(["ats", "tome", "sinkhorn", "mctf", "gtp", "dtem", "pitome", "tofu", "diffrate"])
)
def test_compiles_in_one_graph(method: str) -> None:
    """Training too, with gradients; where a hook is on the last block, too."""
    vit = small_vit(depth=3, global_pool="avg")
    torch.manual_seed(3)
    model = tokred.reduce(vit, method, 0.5, locations=(1, 2)).train()
    expected = torch.autograd.grad(model(images()).square().sum(), vit.blocks[0].attn.qkv.weight)
    torch.compiler.reset()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    found = torch.autograd.grad(compiled(images()).square().sum(), vit.blocks[0].attn.qkv.weight)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
