"""All that a timm ViT can be asked for: a reduced model does it, or says clearly that it cannot."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from timm.models._features import FeatureGetterNet
from timm.models.vision_transformer import VisionTransformer
from timm.optim import param_groups_layer_decay
from torch import Tensor

import tokred
from tests.small_models import EACH_METHOD, by_method, images, small_vit
from tests.typical import slow_after_first
from tokred.methods.fixed import RadialPattern
from tokred.methods.registry import METHODS, Family
from tokred.models.vision_transformer import ReducedVisionTransformer

#: Methods with parameters for each token that a stage leaves.
PER_SLOT = ["sit", "patchmerger", "sinkhorn"]
#: Where each public method of timm's class is tested; one that timm adds must be decided on.
DECIDED = {
    "fix_init_weight": "test_fix_init_weight",
    "forward": "tests/models/test_vision_transformer.py",
    "forward_features": "test_head_of_features",
    "forward_head": "test_head_of_features",
    "forward_intermediates": "test_intermediates",
    "get_classifier": "test_classifier",
    "get_intermediate_layers": "test_intermediates",
    "group_matcher": "test_learning_rates_by_layer",
    "init_weights": "test_init_weights",
    "load_pretrained": "test_load_pretrained",
    "no_weight_decay": "test_learning_rates_by_layer",
    "pool": "test_weighted_pooling",
    "prune_intermediate_layers": "test_pruned_layers",
    "reset_classifier": "test_classifier",
    "set_grad_checkpointing": "test_gradient_checkpointing",
    "set_input_size": "test_set_input_size",
}


def reduced(method: str, keep_rate: float = 0.5, **shape: object) -> ReducedVisionTransformer:
    """A model whose own parameters are always the same."""
    vit = small_vit(**shape)
    torch.manual_seed(3)
    return tokred.reduce(vit, method, keep_rate)


def test_every_public_method_is_decided_on() -> None:
    public = {name for name, value in vars(VisionTransformer).items() if callable(value) and name[0] != "_"}
    assert public - set(DECIDED) == set()
    for test in set(DECIDED.values()):
        assert test in globals() or Path(test).exists()


def test_example_of_the_documentation() -> None:
    """The code of docs/models.md runs, and its results are what the page says."""
    page = (Path(__file__).parents[2] / "docs/models.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    names: dict[str, object] = {}
    exec(code, names)
    torch.testing.assert_close(names["same"], names["logits"])
    assert [tokens.shape[1] for tokens in names["features"]] == [137, 67]
    assert names["maps"][0].shape == (2, 192, 14, 14)
    assert names["another"].reducers[0].stage.budget == math.floor(0.7 * 16 * 12)
    table = page.split("## timm's methods")[1].split("##")[0]
    documented = set(re.findall(r"`(\w+)`", table))
    assert set(DECIDED) <= documented


# Input size


@pytest.mark.parametrize("method", EACH_METHOD)
@pytest.mark.parametrize(
    "change", slow_after_first([{"img_size": (64, 64)}, {"img_size": 24}, {"patch_size": 8}])
)
def test_set_input_size(method: str, change: dict[str, object]) -> None:
    """As a model made of a ViT of that size, with the part of its tokens that the keep rate says."""
    model, size = reduced(method, 0.7), change.get("img_size", 32)
    size = size if isinstance(size, tuple) else (size, size)
    if method in PER_SLOT:
        before = model(images())
        with pytest.raises(
            ValueError, match=rf"'{method}' has parameters .*stage 1 leaves 44 and cannot leave"
        ):
            model.set_input_size(**change)
        assert torch.equal(model(images()), before)
        return
    model.set_input_size(**change)
    vit = small_vit()
    vit.set_input_size(**change)
    expected = tokred.reduce(vit, method, 0.7)
    expected.reducers.load_state_dict(model.reducers.state_dict())
    with torch.no_grad():
        found, trace = model.trace(images(2, size))
        torch.testing.assert_close(found, expected(images(2, size)))
    tokens = vit.patch_embed.num_patches
    assert trace.stages[0].assign.shape == (2, tokens)
    if METHODS[method].family in (Family.STATIC, Family.HARD):
        assert trace.stages[0].anchor.shape[1] == math.floor(0.7 * tokens) + (method == "evit")


def test_set_input_size_leaves_the_vit_alone() -> None:
    vit = small_vit()
    before = vit(images())
    model, sibling = tokred.reduce(vit, "l1", 0.5), tokred.reduce(vit, "topk", 0.5)
    expected = sibling(images())
    model.set_input_size(img_size=(64, 64), patch_size=8)
    assert torch.equal(vit(images()), before)
    assert torch.equal(sibling(images()), expected)
    vit.set_input_size(img_size=(16, 16))
    assert torch.equal(sibling(images()), expected)


@pytest.mark.parametrize("method", EACH_METHOD)
def test_another_grid_with_as_many_tokens(method: str) -> None:
    """Radial patterns follow the grid; no parameter depends on it."""
    model = reduced(method)
    model.set_input_size(img_size=(16, 64))
    with torch.no_grad():
        _, trace = model.trace(images(1, (16, 64)))
    if issubclass(METHODS[method].load(), RadialPattern):
        kept = (trace.stages[0].assign[0] >= 0).reshape(4, 16)
        assert kept.equal(kept.flip(0))
        assert kept.equal(kept.flip(1))
        assert kept[1:3, 7:9].all()
        assert not kept[:, 0].any()


def test_a_size_without_tokens_to_leave() -> None:
    model = reduced("topk")
    with pytest.raises(ValueError, match="leaves 0 of 4 tokens at stage 3"):
        model.set_input_size(img_size=(8, 8))
    assert model(images()).shape == (4, 5)


def test_dynamic_image_size() -> None:
    """Only the unreduced model takes images of any size."""
    vit = small_vit(dynamic_img_size=True)
    with pytest.raises(
        ValueError, match=r"64 tokens \(4 x 16\).*built for 64 \(8 x 8\): call .*set_input_size"
    ):
        tokred.reduce(vit, "l1", 0.5)(images(1, (16, 64)))
    unreduced, wide = tokred.reduce(vit, "none"), images(1, (16, 48))
    assert torch.equal(unreduced(wide), vit(wide))
    _, trace = unreduced.trace(wide)
    assert trace.cls.shape == (1, 4, 24)
    model = tokred.reduce(vit, "l1", 0.5)
    model.patch_embed.set_input_size(img_size=(16, 48))
    with pytest.raises(ValueError, match=r"48 tokens \(4 x 12\)"):
        model(wide)
    model = tokred.reduce(vit, "l1", 0.5)
    model.set_input_size(img_size=(16, 48))
    assert model(wide).shape == (1, 5)


# Features


def hooked(model: ReducedVisionTransformer, batch: Tensor) -> list[Tensor]:
    """Tokens after each block, as hooks see them."""
    seen: list[Tensor] = []
    handles = [block.register_forward_hook(lambda b, given, out: seen.append(out)) for block in model.blocks]
    model.forward_features(batch)
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize("method", EACH_METHOD)
@torch.no_grad()
def test_intermediates(method: str) -> None:
    model, batch = reduced(method, reg_tokens=2), images()
    tokens = hooked(model, batch)
    final, found = model.forward_intermediates(
        batch, [0, 3, 10], return_prefix_tokens=True, norm=True, output_fmt="NLC"
    )
    torch.testing.assert_close(final, model.forward_features(batch))
    assert len(found) == 3
    for block, (spatial, prefix) in zip((0, 3, 10), found, strict=True):
        whole = model.norm(tokens[block])
        torch.testing.assert_close(prefix, whole[:, :3])
        kept = slice(None) if method != "ats" else spatial.abs().sum(dim=2) > 0  # not padding
        torch.testing.assert_close(spatial[kept], whole[:, 3:][kept])
    layers = model.get_intermediate_layers(batch, n=[3, 10], norm=True)
    assert [torch.equal(one, other[0]) for one, other in zip(layers, found[1:], strict=True)] == [True, True]
    named = model.forward_intermediates(
        batch, [3], output_fmt="NLC", output_dict=True, return_prefix_tokens=True
    )
    assert set(named) == {"image_intermediates", "image_intermediates_prefix", "image_features"}
    early, (last,) = model.forward_intermediates(batch, [4], norm=True, stop_early=True, output_fmt="NLC")
    torch.testing.assert_close(early[:, 3:], last)


@pytest.mark.parametrize("method", EACH_METHOD)
@torch.no_grad()
def test_intermediates_on_the_grid(method: str) -> None:
    """Each place has the token that its own went into; where tokens were dropped there is no grid."""
    model, batch = reduced(method), images()
    (before,) = model.forward_intermediates(batch, [2], intermediates_only=True, stop_early=True)
    (expected,) = small_vit().forward_intermediates(batch, [2], intermediates_only=True)
    torch.testing.assert_close(before, expected)
    if not METHODS[method].clusters or method in ("tofu", "diffrate"):  # which prune as well
        with pytest.raises(
            ValueError, match=rf"'{method}' drops tokens.*block 11.*'NLC', or blocks before 3"
        ):
            model.forward_intermediates(batch, 1)
        return
    (found,) = model.forward_intermediates(batch, [7], intermediates_only=True)
    (tokens,) = model.forward_intermediates(batch, [7], intermediates_only=True, output_fmt="NLC")
    slots = model.trace(batch)[1].stages[1].assign
    assert found.shape == (4, 24, 8, 8)
    for image, place in ((0, 0), (1, 13), (3, 63)):
        assert torch.equal(found[image, :, place // 8, place % 8], tokens[image, slots[image, place]])


@pytest.mark.parametrize("method", EACH_METHOD)
@torch.no_grad()
def test_pruned_layers(method: str) -> None:
    """Blocks and their stages go; so timm's feature getter works."""
    expected = reduced(method).forward_intermediates(images(), [7], intermediates_only=True, output_fmt="NLC")
    model = reduced(method)
    getter = FeatureGetterNet(model, out_indices=[7], output_fmt="NLC")
    assert torch.equal(getter(images())[0], expected[0])
    assert (len(model.blocks), model.locations, len(model.reducers)) == (8, (3, 6), 2)
    assert len(model.trace(images())[1].stages) == 2
    whole = reduced(method)
    whole.prune_intermediate_layers([2], prune_head=False)
    assert whole.locations == ()
    vit = small_vit()
    vit.prune_intermediate_layers([2], prune_head=False)
    assert torch.equal(whole(images()), vit(images()))


def test_intermediates_train() -> None:
    """DynamicViT's loss and gradients come from this pass too."""
    model = reduced("dynamicvit").train()
    features, _ = model.forward_intermediates(images(), 1)
    (features.square().mean() + model.extra_loss).backward()
    assert model.reducers[0].local[1].weight.grad.abs().sum() > 0


# Pooling

POOLS = {
    "token": {},
    "avg": {},
    "avg with prefix": {"pool_include_prefix": True, "reg_tokens": 2},
    "max": {},
    "avgmax": {"reg_tokens": 2},
    "map": {},
    "map with prefix": {"pool_include_prefix": True},
    "prr": {},
}
#: Poolings that cannot weigh a method's tokens.
REFUSED = [("ats", "max"), ("ats", "avgmax"), ("ats", "prr"), ("tome", "prr"), ("dynamicvit", "prr")]
#: All others, of the methods whose tokens weigh differently and of two whose tokens do not.
POOLED = [
    (method, pool)
    for method in ("tome", "ats", "dynamicvit", "topk", "sit")
    for pool in POOLS
    if (method, pool.split()[0]) not in REFUSED
]


def pooled_model(method: str, pool: str) -> ReducedVisionTransformer:
    """A reduced model with that pooling."""
    return reduced(method, 0.9, global_pool=pool.split()[0], **POOLS[pool])


@pytest.mark.parametrize(("method", "pool"), REFUSED)
def test_poolings_that_are_refused(method: str, pool: str) -> None:
    with pytest.raises(
        ValueError, match=rf"method '{method}' .*global_pool '{pool}'.*possible: 'token', 'avg'"
    ):
        pooled_model(method, pool)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "pool"), by_method(POOLED))
@pytest.mark.parametrize("training", [False, True])
def test_head_of_features(method: str, pool: str, training: bool) -> None:
    model = pooled_model(method, pool).train(training)
    batches = [images(6) * torch.linspace(0.01, 3, 6)[:, None, None, None], images(3)]
    expected, features = [], []
    for batch in batches:
        torch.manual_seed(0)  # of DynamicViT's decisions
        expected.append(model(batch))
        torch.manual_seed(0)
        features.append(model.forward_features(batch))
    for logits, tokens in zip(expected, features, strict=True):
        torch.testing.assert_close(model.forward_head(tokens), logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("method", "pool"), by_method(POOLED))
@pytest.mark.parametrize("training", [False, True])
@torch.no_grad()
@pytest.mark.slow
def test_weighted_pooling(method: str, pool: str, training: bool) -> None:
    """As timm's pooling if each token stood there as often as it weighs: its size, or not at all."""
    model = pooled_model(method, pool).train(training)
    features = model.forward_features(images(6) * torch.linspace(0.01, 3, 6)[:, None, None, None])
    weight = getattr(features, "token_weight", None)
    prefix = model.num_prefix_tokens
    if weight is None:
        weight = torch.ones(6, features.shape[1] - prefix)
    elif method == "tome":
        assert weight.sum(dim=1).tolist() == [64] * 6
    found = model.pool(features)
    for image in range(6):
        times = torch.cat([torch.ones(prefix), weight[image]]).long()
        repeated = features[image].repeat_interleave(times, dim=0)[None]
        torch.testing.assert_close(
            found[image], VisionTransformer.pool(model, repeated)[0], atol=1e-5, rtol=1e-5
        )


def test_features_that_lost_their_weights() -> None:
    model = reduced("tome", global_pool="avg")
    with pytest.raises(ValueError, match="expected the very tensor that forward_features returned"):
        model.forward_head(model.forward_features(images()) * 1)
    topk = reduced("topk", global_pool="avg")
    features = topk.forward_features(images())
    assert torch.equal(topk.forward_head(features * 1), topk(images()))


def test_no_token_counts() -> None:
    """Where DynamicViT drops every token while training, the mean is that of all, and a number."""
    from tokred.models.pooling import weighted_pool

    x = torch.randn(2, 5, 8)
    for pool in ("avg", "max", "avgmax"):
        found = weighted_pool(x, torch.zeros(2, 4), pool, None, 1, False)
        assert torch.equal(found, weighted_pool(x, torch.ones(2, 4), pool, None, 1, False))


def test_padding_is_zero() -> None:
    model = reduced("ats", 0.9, global_pool="avg")
    features = model.forward_features(images(8))
    padding = features.token_weight == 0
    assert padding.any()
    assert not features[:, 1:][padding].any()
    assert features[:, 1:][~padding].abs().sum(dim=1).min() > 0


# The rest


@pytest.mark.parametrize("method", EACH_METHOD)
def test_classifier(method: str) -> None:
    vit = small_vit()
    model = tokred.reduce(vit, method, 0.5)
    model.reset_classifier(7, "avg")
    assert model.get_classifier() is model.head
    assert model(images()).shape == (4, 7)
    assert (vit.num_classes, vit.global_pool, vit(images()).shape) == (5, "token", (4, 5))
    if method == "ats":
        with pytest.raises(ValueError, match="global_pool 'max'"):
            model.reset_classifier(7, "max")


@pytest.mark.parametrize("method", ["dynamicvit", "sinkhorn", "kmedoids", "tome", "ats"])
def test_gradient_checkpointing(method: str) -> None:
    """The same gradients, with the activations of fewer blocks in memory: also where keys are masked."""
    gradients, calls = [], []
    for enable in (False, True):
        model, count = reduced(method).train(), Counter()
        model.set_grad_checkpointing(enable)
        for index, block in enumerate(model.blocks):
            block.register_forward_pre_hook(lambda b, given, index=index, count=count: count.update([index]))
        torch.manual_seed(0)
        model(images()).square().sum().backward()
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
        calls.append([count[index] for index in range(12)])
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-4)
    once = {"kmedoids": (2, 5, 8), "tome": (3, 6, 9), "ats": (3, 6, 9)}.get(method, ())
    assert calls == [[1] * 12, [1 if index in once else 2 for index in range(12)]]


def test_learning_rates_by_layer() -> None:
    """timm's layer decay takes a stage's parameters for new ones, as the head's."""
    model = reduced("sit")
    groups = param_groups_layer_decay(
        model, no_weight_decay_list=model.no_weight_decay(), layer_decay=0.5, verbose=False
    )
    scale = {id(p): group["lr_scale"] for group in groups for p in group["params"]}
    assert {scale[id(p)] for p in model.reducers.parameters()} == {scale[id(model.head.weight)]} == {1.0}
    assert scale[id(model.blocks[0].attn.qkv.weight)] < scale[id(model.blocks[11].attn.qkv.weight)] < 1
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert decay[id(model.pos_embed)] == decay[id(model.cls_token)] == 0


def test_fix_init_weight() -> None:
    vit = small_vit()
    model, before = tokred.reduce(vit, "sit", 0.5), small_vit()
    model.fix_init_weight()
    torch.testing.assert_close(vit.blocks[7].mlp.fc2.weight, before.blocks[7].mlp.fc2.weight / 4)


@pytest.mark.parametrize("method", EACH_METHOD)
def test_init_weights(method: str) -> None:
    """The ViT's weights as timm draws them, the stages' as when they were made."""
    model = reduced(method)
    old = {name: value.clone() for name, value in model.reducers.state_dict().items()}
    head = model.head.weight.clone()
    model.init_weights()
    assert not torch.equal(model.head.weight, head)
    assert 0.01 < model.blocks[0].mlp.fc1.weight.std() < 0.03
    for name, value in model.reducers.state_dict().items():
        if value.ndim > 1 and value.numel() > 1:
            assert not torch.equal(value, old[name])
            assert value.std().item() == pytest.approx(old[name].std().item(), rel=0.5)
        elif "weight" not in name and "bias" not in name:
            assert torch.equal(value, old[name])


def test_load_pretrained(tmp_path: Path) -> None:
    """Weights in Google's format, into the ViT that the model shares its own with."""
    source, vit = small_vit(), small_vit()
    model = tokred.reduce(vit, "sit", 0.5)
    with torch.no_grad():
        for parameter in vit.parameters():
            parameter.zero_()
    np.savez(tmp_path / "vit.npz", **in_google_format(source))
    model.load_pretrained(str(tmp_path / "vit.npz"))
    for name, value in source.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name
    assert torch.equal(vit(images()), source(images()))


def in_google_format(vit: VisionTransformer) -> dict[str, np.ndarray]:
    """The weights of a small ViT as Google's checkpoints have them."""
    state = {name: tensor.numpy() for name, tensor in vit.state_dict().items()}
    width, heads = vit.embed_dim, vit.blocks[0].attn.num_heads
    stored = {
        "embedding/kernel": state["patch_embed.proj.weight"].transpose(2, 3, 1, 0),
        "embedding/bias": state["patch_embed.proj.bias"],
        "cls": state["cls_token"],
        "Transformer/posembed_input/pos_embedding": state["pos_embed"],
        "Transformer/encoder_norm/scale": state["norm.weight"],
        "Transformer/encoder_norm/bias": state["norm.bias"],
        "head/kernel": state["head.weight"].T,
        "head/bias": state["head.bias"],
    }
    for index in range(len(vit.blocks)):
        ours, theirs = f"blocks.{index}.", f"Transformer/encoderblock_{index}/"
        attention = theirs + "MultiHeadDotProductAttention_1/"
        for place, number in ((1, 0), (2, 2)):
            stored[f"{theirs}LayerNorm_{number}/scale"] = state[f"{ours}norm{place}.weight"]
            stored[f"{theirs}LayerNorm_{number}/bias"] = state[f"{ours}norm{place}.bias"]
        weights = np.split(state[f"{ours}attn.qkv.weight"], 3)
        biases = np.split(state[f"{ours}attn.qkv.bias"], 3)
        for name, weight, bias in zip(("query", "key", "value"), weights, biases, strict=True):
            stored[f"{attention}{name}/kernel"] = weight.T.reshape(width, heads, -1)
            stored[f"{attention}{name}/bias"] = bias.reshape(heads, -1)
        stored[f"{attention}out/kernel"] = state[f"{ours}attn.proj.weight"].T.reshape(heads, -1, width)
        stored[f"{attention}out/bias"] = state[f"{ours}attn.proj.bias"]
        for number, layer in enumerate(("fc1", "fc2")):
            stored[f"{theirs}MlpBlock_3/Dense_{number}/kernel"] = state[f"{ours}mlp.{layer}.weight"].T
            stored[f"{theirs}MlpBlock_3/Dense_{number}/bias"] = state[f"{ours}mlp.{layer}.bias"]
    return stored
