"""Every class of timm that can be reduced: timm's function, pruned as masked, merged as repeated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from timm.models.beit import Beit
from timm.models.eva import Eva, EvaAttention
from timm.models.vision_transformer_relpos import VisionTransformerRelPos
from torch import Tensor, nn

import tokred
from tests.any_vit import DEPTH, NAMES, any_vit, pictures
from tests.small_models import REDUCING
from tokred.efficiency.counting import counted
from tokred.methods.attention import BlockAttention
from tokred.methods.base import Reduction
from tokred.methods.registry import METHODS, Family, Method
from tokred.models.factory import build_vit
from tokred.models.reduced import ReducedModel
from tokred.schedules.macs import Shape, Site, forward_macs
from tokred.settings import Backbone

ATTEND = F.scaled_dot_product_attention


@contextmanager
def masked_keys(vit: nn.Module, dropped: dict[int, Tensor]) -> Iterator[None]:
    """In and after block `index` the (B, M) tokens `dropped[index]` are no keys, whatever timm's class.

    Blocks are told apart by the calls of the attention kernel, of which each block makes as many.
    """
    twice = any(hasattr(m, "sub_norm") for m in vit.modules()) or hasattr(vit.blocks[0], "attns")
    calls: list[Tensor] = []

    def attend(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None, **others: Any) -> Tensor:
        block = len(calls) // (2 if twice else 1)
        calls.append(q)
        for index, tokens in dropped.items():
            if block >= index:
                bias = torch.zeros(tokens.shape).masked_fill(tokens, -torch.inf)[:, None, None]
                attn_mask = bias if attn_mask is None else attn_mask + bias
        return ATTEND(q, k, v, attn_mask=attn_mask, **others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(F, "scaled_dot_product_attention", attend)
        yield
    assert len(calls) == DEPTH * (2 if twice else 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_unreduced_is_timms(name: str) -> None:
    vit, batch = any_vit(name), pictures()
    model = tokred.reduce(vit, "none", locations=(1, 2))
    with torch.no_grad():
        expected = vit(batch)
        assert torch.equal(model(batch), expected)
        assert torch.equal(model.forward_features(batch), vit.forward_features(batch))
        torch.testing.assert_close(model.trace(batch)[0], expected, atol=1e-5, rtol=1e-4)
    assert isinstance(model, type(vit))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_merged_and_tokens_in_another_order(name: str) -> None:
    """ToMe at rate 1 changes nothing, and Top-K the order alone: positions go along with their tokens."""
    vit, batch = any_vit(name), pictures()
    with torch.no_grad():
        for method in ("tome", "topk"):
            model = tokred.reduce(vit, method, 1.0, locations=(1, 2))
            torch.testing.assert_close(model(batch), vit(batch), atol=1e-5, rtol=1e-4)
        order = model.trace(batch)[1].positions[-1]
        assert not torch.equal(order, order.sort().values)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["linf", "topk"])
@pytest.mark.parametrize("name", NAMES)
def test_pruned_tokens_are_masked_keys(name: str, method: str) -> None:
    """timm's own model, all tokens in place: those that are dropped are no keys later, nor pooled."""
    vit, batch = any_vit(name), pictures()
    model = tokred.reduce(vit, method, 0.6, locations=(1, 2))
    prefix = vit.num_prefix_tokens
    with torch.no_grad():
        found, trace = model.trace(batch)
        dropped = {}
        for block, stage in zip((1, 2), trace.stages, strict=True):
            spatial = stage.assign < 0
            first = block if method == "linf" else block + 1  # Top-K's keys stay for its block
            dropped[first] = F.pad(spatial, (prefix, 0), value=False)
        with masked_keys(vit, dropped):
            features = vit.forward_features(batch)
        kept = [features[i, ~last] for i, last in enumerate(dropped[max(dropped)])]
        expected = vit.forward_head(torch.stack(kept))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["representative", "centroid"])
@pytest.mark.parametrize("name", NAMES)
def test_merged_tokens_are_repeated_ones(name: str, rule: str) -> None:
    """With proportional attention, a merged token is as many equal tokens, all at its position."""
    vit, batch = any_vit(name), pictures(1)
    model = tokred.reduce(vit, "tome", 0.6, locations=(1,), positions=rule)
    outputs: list[Tensor] = []
    model.blocks[1].register_forward_hook(lambda block, given, out: outputs.append(out))
    prefix = vit.num_prefix_tokens
    with torch.no_grad():
        found, trace = model.trace(batch)
        assign, position = trace.stages[0].assign[0], trace.positions[0][0]
        x = torch.cat([outputs[0][:, :prefix], outputs[0][:, prefix:][:, assign]], dim=1)
        assert x.shape[1] == prefix + 64
        assert outputs[0].shape[1] == prefix + 38
        x = remaining_blocks(vit, x, 2, position[assign], batch)
        expected = vit.forward_head(vit.norm(x))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def remaining_blocks(vit: Any, x: Tensor, first: int, position: Tensor, images: Tensor) -> Tensor:
    """timm's blocks on tokens of one image at other (P,) positions than their own."""
    table = vit._pos_embed(vit.patch_embed(images))[1] if isinstance(vit, Eva) else None
    if getattr(vit, "rope", None) is not None and table is None:
        table = vit.rope.get_embed(shape=(4, 16))
    prefix = vit.num_prefix_tokens
    rows = torch.cat([torch.arange(prefix), position + prefix])
    for index in range(first, DEPTH):
        block = vit.blocks[index]
        if table is not None:
            own = table[index][:, position] if table.ndim == 4 else table[position]
            x = block(x, rope=own)
        elif isinstance(vit, Beit | VisionTransformerRelPos):
            x = block_at(vit, block, x, rows)
        else:
            x = block(x)
    return x


def block_at(vit: Any, block: Any, x: Tensor, rows: Tensor) -> Tensor:
    """A block with a relative position bias, whose rows and columns are exchanged."""

    def exchanged(bias: Tensor) -> Tensor:
        return bias[..., rows, :][..., rows]

    name = "_get_rel_pos_bias" if isinstance(vit, Beit) else "get_bias"
    shared = vit.rel_pos_bias if isinstance(vit, Beit) else vit.shared_rel_pos
    if shared is not None:
        bias = shared() if isinstance(vit, Beit) else shared.get_bias()
        return block(x, exchanged(bias))
    holder = block.attn if isinstance(vit, Beit) else block.attn.rel_pos
    bias = getattr(holder, name)()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(holder, name, lambda: exchanged(bias))
        return block(x)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_prefix_tokens_stay(name: str) -> None:
    vit, batch = any_vit(name), pictures()
    prefix = vit.num_prefix_tokens
    for method in ("evit", "tome"):
        model = tokred.reduce(vit, method, 0.5, locations=(0, 2))
        with torch.no_grad():
            logits, trace = model.trace(batch)
            features = model.forward_features(batch)
            torch.testing.assert_close(model.forward_head(features), logits, atol=1e-5, rtol=1e-4)
        slots = 16 + (method == "evit")
        assert features.shape == (2, prefix + slots, 32)
        assert [size.shape[1] for size in trace.sizes] == [32 + (method == "evit"), slots]
        if method == "tome":
            assert trace.sizes[-1].sum(dim=1).tolist() == [64, 64]
            assert trace.positions[-1].unique(dim=1).shape == (2, 16)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_every_parameter_of_timms(name: str) -> None:
    """Through positions, biases and sizes: those that get none get none in timm's model either."""
    vit, batch = any_vit(name).train(), pictures()
    vit(batch).square().sum().backward()
    expected = {n for n, p in vit.named_parameters() if p.grad is not None}
    vit.zero_grad()
    model = tokred.reduce(vit, "tome", 0.6, locations=(1, 2)).train()
    model(batch).square().sum().backward()
    assert {n for n, p in model.named_parameters() if p.grad is not None} == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_macs_are_those_that_torch_counts(name: str) -> None:
    vit = any_vit(name).requires_grad_(False).to("meta")
    images = torch.zeros(1, 3, 16, 64, device="meta")
    shape = Shape.of(vit)
    found = forward_macs(shape, shape.unreduced()).total
    expected = counted(lambda: vit(images))
    if "relpos" in name and "table" not in name:  # a small network makes the bias, which is not counted
        expected -= sum(counted(m.get_bias) for m in vit.modules() if hasattr(m, "rel_coords_log"))
    assert found == expected


@pytest.mark.slow
@pytest.mark.parametrize(("reducer", "site"), [("Reusing", Site.REUSE), ("Attending", Site.AFTER)])
@pytest.mark.parametrize("name", NAMES)
def test_attention_of_a_stage(name: str, reducer: str, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block's own probabilities, given back by a stage, give its own output."""
    method = Method("own", "Own", Family.HARD, "#000000", "o", f"tests.any_vit:{reducer}", site=site)
    monkeypatch.setitem(METHODS, "own", method)
    vit, batch = any_vit(name), pictures()
    model = tokred.reduce(vit, "own", 1.0, locations=(1, 2))
    with torch.no_grad():
        torch.testing.assert_close(model(batch), vit(batch), atol=1e-5, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_recomputed_attention_of_merged_tokens(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """MCTF merges before the attention, in which a merged token is as many equal ones, at its position."""
    vit, batch, merged = any_vit(name), pictures(1), list[Tensor]()
    model = tokred.reduce(vit, "mctf", 0.6, locations=(1,), attention="recompute")
    replace = ReducedModel._replace

    def watched(self: ReducedModel, x: Tensor, reduction: Reduction) -> Tensor:
        merged.append(replace(self, x, reduction))
        return merged[-1]

    monkeypatch.setattr(ReducedModel, "_replace", watched)
    prefix = vit.num_prefix_tokens
    with torch.no_grad():
        found, trace = model.trace(batch)
        assign, position = trace.stages[0].assign[0], trace.positions[0][0]
        assert merged[0].shape[1] == prefix + 38
        x = torch.cat([merged[0][:, :prefix], merged[0][:, prefix:][:, assign]], dim=1)
        x = remaining_blocks(vit, x, 1, position[assign], batch)
        expected = vit.forward_head(vit.norm(x))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_method_in_every_class(name: str) -> None:
    """Positions that are followed for a trace alone change nothing, and are those of a token of the slot."""
    vit, batch = any_vit(name), pictures()
    for method in REDUCING:
        model = tokred.reduce(vit, method, 0.7, locations=(1, 2)).eval()
        with torch.no_grad():
            logits, trace = model.trace(batch)
            assert logits.isfinite().all(), method
            torch.testing.assert_close(model(batch), logits, atol=1e-5, rtol=1e-4, msg=method)
        assert [stage.position.shape[1] for stage in trace.stages] == [
            stage.size.shape[1] for stage in trace.stages
        ]
        assert all(stage.position.min() >= 0 and stage.position.max() < 64 for stage in trace.stages)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["mctf", "tome"])
@pytest.mark.parametrize("name", ["plain", "eva02", "eva02, small", "beit", "relpos"])
def test_hooks_on_the_projection_take_part(name: str, method: str) -> None:
    """Also where timm keeps the biases of queries and values apart, and reads the weights alone."""
    model, batch = tokred.reduce(any_vit(name), method, 0.6, locations=(1,)), pictures()
    attn = model.blocks[1].attn
    names = ("qkv",) if attn.qkv is not None else ("q_proj", "k_proj", "v_proj")
    layers = [getattr(attn, name) for name in names]
    with torch.no_grad():
        plain = model(batch)
        hooks = [layer.register_forward_hook(lambda module, given, out: 2 * out) for layer in layers]
        hooked = model(batch)
        for hook in hooks:
            hook.remove()
        torch.testing.assert_close(model(batch), plain)
        for parameter in (each for layer in layers for each in layer.parameters()):
            parameter.mul_(2)
        torch.testing.assert_close(model(batch), hooked, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(plain, hooked, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_precisions_and_empty_batches(name: str) -> None:
    model = tokred.reduce(any_vit(name), "tome", 0.6, locations=(1, 2))
    with torch.no_grad():
        if not any(
            isinstance(module, EvaAttention) for module in model.modules()
        ):  # which takes none in timm
            assert model(pictures()[:0]).shape == (0, 5)
        expected = model(pictures())
        for dtype, tolerance in ((torch.float64, 1e-4), (torch.bfloat16, 0.5)):
            logits = model.to(dtype)(pictures().to(dtype))
            assert logits.dtype == dtype
            torch.testing.assert_close(logits.float(), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit.trace:FutureWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("name", ["eva02", "rope, mixed", "beit", "relpos, shared", "naflex, rope and gate"])
def test_a_traced_graph_serves_any_batch(name: str) -> None:
    model = tokred.reduce(any_vit(name), "tome", 0.6, locations=(1, 2))
    with torch.no_grad():
        graph = torch.jit.trace(model, pictures(2), check_trace=False)
        torch.testing.assert_close(graph(pictures(3)), model(pictures(3)), atol=1e-5, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_intermediate_tokens(name: str) -> None:
    """As they are left, and on the grid; unreduced as timm's."""
    vit, batch = any_vit(name), pictures()
    with torch.no_grad():
        unreduced = tokred.reduce(vit, "none", locations=(1, 2)).forward_intermediates(batch, [0, 3])
        expected = vit.forward_intermediates(batch, [0, 3])
        assert all(torch.equal(a, b) for a, b in zip(unreduced[1], expected[1], strict=True))
        model = tokred.reduce(vit, "tome", 0.6, locations=(1, 2))
        _, left = model.forward_intermediates(batch, [0, 3], output_fmt="NLC")
        on_grid = model.forward_intermediates(batch, [0, 3], intermediates_only=True)
        assign = model.trace(batch)[1].stages[-1].assign
    assert [tokens.shape[1] for tokens in left] == [64, 23]
    torch.testing.assert_close(on_grid[0], expected[1][0], atol=1e-5, rtol=1e-4)
    assert torch.equal(on_grid[1][0].flatten(1).T, left[1][0][assign[0]])


def test_substitute_for_cls_attention() -> None:
    """The mean over all queries, of which padding is none."""
    layer, x = any_vit("plain").blocks[0].attn, torch.randn(1, 6, 32)
    bias = torch.tensor([0.0, 0.0, 0.7, 0.0, -torch.inf, 0.0])[None, None, None]
    found = BlockAttention(layer, x, bias, None, num_prefix=1, has_cls=False).cls_scores()
    q, k, _ = layer.qkv(x).reshape(1, 6, 3, 2, 16).permute(2, 0, 3, 1, 4)
    rows = ((q @ k.mT) / 4 + bias).softmax(-1)
    expected = torch.stack([rows[:, :, query] for query in (0, 1, 2, 3, 5)]).mean(0)[..., 1:]
    torch.testing.assert_close(found, expected)


def test_policy_with_a_relative_bias() -> None:
    """DynamicViT's masked softmax, in which a query sees its own key, with a bias for each pair of tokens."""
    torch.manual_seed(2)
    layer, x, policy = (
        any_vit("plain").blocks[0].attn,
        torch.randn(1, 6, 32),
        torch.tensor([[1.0, 0, 1, 0, 1]]),
    )
    bias = torch.randn(1, 2, 6, 6)
    attention = BlockAttention(layer, x, bias, policy, num_prefix=1)
    q, k, v = layer.qkv(x).reshape(1, 6, 3, 2, 16).permute(2, 0, 3, 1, 4)
    seen = F.pad(policy, (1, 0), value=1.0)[:, None, None] * torch.ones(6, 1)
    seen = torch.maximum(seen, torch.eye(6))
    rows = ((q @ k.mT) / 4 + bias).masked_fill(seen == 0, -torch.inf).softmax(-1)
    expected = layer.proj((rows @ v).transpose(1, 2).flatten(2))
    torch.testing.assert_close(attention.output(), expected, atol=1e-4, rtol=1e-3)
    some = torch.tensor([[2, 0]])
    torch.testing.assert_close(attention.output(some), expected[:, [2, 0]], atol=1e-4, rtol=1e-3)


def test_distilled_training_gives_both_logits() -> None:
    vit = any_vit("distilled").train()
    model = tokred.reduce(vit, "tome", 0.6, locations=(1, 2)).train()
    model.set_distilled_training(True)
    first, second = model(pictures())
    assert first.shape == second.shape == (2, 5)
    model.set_distilled_training(False)
    torch.testing.assert_close(model(pictures()), (first + second) / 2)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")  # in timm's interpolation of bias tables
@pytest.mark.parametrize("name", ["eva02", "rope, mixed", "beit", "relpos", "naflex"])
def test_another_size(name: str) -> None:
    vit = any_vit(name)
    model = tokred.reduce(vit, "tome", 0.6, locations=(1, 2))
    model.set_input_size((32, 32) if name == "naflex" else (32, 16))
    size = (32, 32) if name == "naflex" else (32, 16)
    with torch.no_grad():
        tokens = model.forward_features(torch.randn(2, 3, *size))
    expected = int(int(size[0] * size[1] / 16 * 0.6) * 0.6)
    assert abs(tokens.shape[1] - vit.num_prefix_tokens - expected) <= 1
    with torch.no_grad():
        assert vit(pictures()).shape == (2, 5)


def test_a_naflex_model_takes_images_of_one_size() -> None:
    model = tokred.reduce(any_vit("naflex"), "tome", 0.6, locations=(1, 2))
    with pytest.raises(ValueError, match=r"16 tokens \(4 x 4\).*built for 64"):
        model(torch.randn(1, 3, 16, 16))
    patches = {"patches": torch.randn(1, 64, 48), "patch_coord": torch.zeros(1, 64, 2), "patch_valid": None}
    with pytest.raises(ValueError, match="patches of images of different sizes"):
        model(patches)
    with pytest.raises(ValueError, match="keep their size"):
        model.set_input_size(patch_size=8)


@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "convnext_pico", "resnet18"])
def test_other_networks_are_refused(name: str) -> None:
    with torch.device("meta"):
        network = timm.create_model(name)
    with pytest.raises(ValueError, match=r"expected an isotropic Vision Transformer of timm \(Beit, Eva, "):
        tokred.reduce(network, "tome", 0.5)


def test_wrong_rule_for_positions() -> None:
    with pytest.raises(ValueError, match="positions 'mean': expected 'representative' or 'centroid'"):
        tokred.reduce(any_vit("eva02"), "tome", 0.6, locations=(1, 2), positions="mean")


def test_a_study_can_have_other_backbones() -> None:
    backbone = Backbone(model="vit_small_patch16_dinov3", image_size=64, patch_size=16, depth=2)
    with torch.device("meta"):
        vit = build_vit(backbone, num_classes=3)
    assert isinstance(vit, Eva)
    assert isinstance(tokred.reduce(vit, "tome", 0.5, locations=(1,)), ReducedModel)
