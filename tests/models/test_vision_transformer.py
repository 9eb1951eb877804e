"""Any timm ViT with a CLS token: the same function when unreduced, fused attention, weights that fit."""

from __future__ import annotations

import pytest
import timm.layers
import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer
from torch import nn

import tokred
from tests.small_models import EACH_METHOD, images, small_vit
from tokred.methods.attention import BlockAttention
from tokred.schedules.macs import Site

VARIANTS = {
    "plain": {},
    "layer scale": {"init_values": 0.1, "no_embed_class": True},
    "query and key norms": {"qk_norm": True},
    "norms in attention and MLP": {"scale_attn_norm": True, "scale_mlp_norm": True},
    "registers": {"reg_tokens": 3},
    "norm before blocks": {"pre_norm": True},
    "mean of tokens": {"global_pool": "avg"},
    "no head": {"num_classes": 0},
    "no query bias": {"qkv_bias": False},
    "wide picture": {"img_size": (16, 48)},
}


def variant(name: str) -> tuple[VisionTransformer, torch.Tensor]:
    shape = VARIANTS[name]
    size = shape.get("img_size", 32)
    return small_vit(**shape), images(2, size if isinstance(size, tuple) else (size, size))


@pytest.mark.parametrize("name", VARIANTS)
def test_unreduced_is_the_vit(name: str) -> None:
    vit, batch = variant(name)
    model = tokred.reduce(vit, "none")
    with torch.no_grad():
        assert torch.equal(model(batch), vit(batch))
        assert torch.equal(model.forward_features(batch), vit.forward_features(batch))


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("method", EACH_METHOD)
def test_reduces_any_vit(name: str, method: str) -> None:
    vit, batch = variant(name)
    model = tokred.reduce(vit, method, 0.7)
    with torch.no_grad():
        logits, trace = model.trace(batch)
        torch.testing.assert_close(model(batch), logits)
    assert torch.isfinite(logits).all()
    assert len(trace.stages) == 3
    assert trace.stages[0].assign.shape == (2, vit.patch_embed.num_patches)


@pytest.mark.parametrize("method", ["topk", "ats", "tome", "kmedoids"])
def test_gated_attention(method: str) -> None:
    """timm's optional gate on the attention's output is applied to the rows that are computed."""
    vit = small_vit()
    for block in vit.blocks:
        block.attn.gate = nn.Linear(24, 24)
    model = tokred.reduce(vit, method, 1.0)
    with torch.no_grad():
        if method != "ats":
            torch.testing.assert_close(model(images()), vit(images()), atol=1e-5, rtol=1e-5)
        assert not torch.allclose(model(images()), tokred.reduce(small_vit(), method, 1.0)(images()))


@pytest.mark.slow
@pytest.mark.parametrize("method", EACH_METHOD)
def test_agrees_without_fused_attention(method: str) -> None:
    torch.manual_seed(0)
    fused = tokred.reduce(small_vit(), method, 0.7)
    timm.layers.set_fused_attn(False)
    try:
        plain = tokred.reduce(small_vit(), method, 0.7)
    finally:
        timm.layers.set_fused_attn(True)
    plain.load_state_dict(fused.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(plain(images()), fused(images()), atol=1e-4, rtol=1e-4)


#: Score rows that a method may form explicitly in one forward pass: queries of each stage.
ROWS = {name: [1, 1, 1] for name in ("topk", "evit", "ats", "diffrate")}
ROWS |= {name: [65, 33, 17] for name in ("kmedoids", "mctf", "gtp")}
#: Methods that use the probabilities of their stages' blocks for the output.
EXPLICIT = ("mctf", "gtp")


@pytest.mark.parametrize("method", EACH_METHOD)
def test_attention_is_fused(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One fused call a block whose probabilities need not be known, and as few score rows as possible."""
    fused, rows = [], []
    attend, scores = F.scaled_dot_product_attention, BlockAttention._scores

    def counting_attend(*args: object, **kwargs: object) -> torch.Tensor:
        fused.append(1)
        return attend(*args, **kwargs)

    def counting_scores(self: BlockAttention, q: torch.Tensor) -> torch.Tensor:
        rows.append(q.shape[2])
        return scores(self, q)

    monkeypatch.setattr(F, "scaled_dot_product_attention", counting_attend)
    monkeypatch.setattr(BlockAttention, "_scores", counting_scores)
    model = tokred.reduce(small_vit(), method, 0.5)
    with torch.no_grad():
        model(images())
    assert len(fused) == 12 - (3 if method in EXPLICIT else 0)
    assert rows == ROWS.get(method, [])


@pytest.mark.slow
@pytest.mark.parametrize("method", EACH_METHOD)
@pytest.mark.parametrize("locations", [(3, 6, 9), (11,)])
@pytest.mark.parametrize("training", [False, True])
def test_last_block_updates_cls_alone(method: str, locations: tuple[int, ...], training: bool) -> None:
    """The same logits and gradients as those of all tokens, of which the classifier takes the first."""
    model = tokred.reduce(small_vit(), method, 0.7, locations=locations).train(training)
    seen: list[int] = []
    model.blocks[-1].mlp.register_forward_hook(lambda mlp, given, out: seen.append(out.shape[1]))
    results = []
    for classify in (model, lambda batch: model.forward_head(model.forward_features(batch))):
        torch.manual_seed(0)  # of DynamicViT's decisions
        model.zero_grad()
        logits = classify(images())
        logits.square().sum().backward()
        results.append([logits.detach(), model.blocks[0].attn.qkv.weight.grad.clone()])
    torch.testing.assert_close(*results, atol=1e-5, rtol=1e-4)
    stage_at_the_end = locations[-1] == 11 and model.spec.site is not Site.BEFORE
    assert stage_at_the_end or (seen[0] == 1 < seen[1])


def test_parameters_are_the_vits_own() -> None:
    vit = small_vit()
    model = tokred.reduce(vit, "sit", 0.5)
    names = [name for name in model.state_dict() if not name.startswith("reducers.")]
    assert names == list(vit.state_dict())
    assert model.blocks[3].attn.qkv.weight is vit.blocks[3].attn.qkv.weight
    assert not hasattr(vit, "reducers")
    model.reset_classifier(7)
    assert model(images()).shape == (4, 7)
    assert vit(images()).shape == (4, 5)


def test_gradient_checkpointing_changes_nothing() -> None:
    gradients = []
    for enable in (False, True):
        model = tokred.reduce(small_vit(), "topk", 0.5).train()
        model.set_grad_checkpointing(enable)
        model(images()).sum().backward()
        gradients.append(model.blocks[0].mlp.fc1.weight.grad.clone())
    torch.testing.assert_close(*gradients)


def test_mean_pooling_ignores_padding_and_counts_size() -> None:
    for method in ("ats", "tome"):
        model = tokred.reduce(small_vit(global_pool="avg"), method, 0.9)
        with torch.no_grad():
            together = model(images(6))
            alone = torch.cat([model(image[None]) for image in images(6)])
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_image_of_another_size() -> None:
    model = tokred.reduce(small_vit(dynamic_img_size=True), "topk", 0.5)
    with pytest.raises(ValueError, match=r"16 tokens.*built for 64"):
        model(images(1, (16, 16)))


def test_attention_mask_is_refused() -> None:
    model = tokred.reduce(small_vit(), "topk", 0.5)
    with pytest.raises(ValueError, match="takes no attention mask"):
        model(images(1), attn_mask=torch.zeros(65, 65))
