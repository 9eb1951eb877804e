"""Weights: a ViT's file fits any model reduced from it, grids are interpolated, misfits are explained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import tokred
from tests.small_models import EACH_METHOD, images, small_vit
from tokred.models.weights import load_weights, save_weights


@pytest.mark.parametrize("method", EACH_METHOD)
def test_vit_weights_fit_every_method(method: str, tmp_path: Path) -> None:
    save_weights(small_vit(), tmp_path / "vit.safetensors", {})
    fresh = small_vit()
    with torch.no_grad():
        for parameter in fresh.parameters():
            parameter.zero_()
    model = tokred.reduce(fresh, method, 0.5)
    own = {
        name: tensor.clone() for name, tensor in model.state_dict().items() if name.startswith("reducers.")
    }
    load_weights(model, tmp_path / "vit.safetensors")
    expected = {**small_vit().state_dict(), **own}
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, expected[name])
    if own:
        with pytest.raises(ValueError, match=r"reducers\..*: missing"):
            load_weights(model, tmp_path / "vit.safetensors", whole=True)


def test_half_precision_and_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_weights(small_vit(), tmp_path / name, {"note": "x"}, half=True)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    model = small_vit()
    load_weights(model, tmp_path / "a")
    assert model.head.weight.dtype == torch.float32
    torch.testing.assert_close(model(images()), small_vit()(images()), atol=0.05, rtol=0.05)


@pytest.mark.parametrize("size", [24, (16, 48), 64])
@pytest.mark.parametrize("extra", [{}, {"no_embed_class": True}, {"reg_tokens": 2}])
def test_position_embeddings_are_interpolated(
    size: int | tuple[int, int], extra: dict[str, object], tmp_path: Path
) -> None:
    """As timm does itself when the input size of a model is set."""
    source = small_vit(**extra)
    save_weights(source, tmp_path / "vit", {})
    model = small_vit(img_size=size, **extra)
    load_weights(model, tmp_path / "vit")
    source.set_input_size(size if isinstance(size, tuple) else (size, size))
    torch.testing.assert_close(model.pos_embed, source.pos_embed)


def test_new_head(tmp_path: Path) -> None:
    save_weights(small_vit(), tmp_path / "vit", {})
    model = small_vit(num_classes=7)
    with pytest.raises(ValueError, match=r"head.weight: found \(5, 24\), expected \(7, 24\)"):
        load_weights(model, tmp_path / "vit")
    head = model.head.weight.clone()
    load_weights(model, tmp_path / "vit", new_head=True)
    assert torch.equal(model.head.weight, head)
    assert torch.equal(model.cls_token, small_vit().cls_token)


def test_another_architecture(tmp_path: Path) -> None:
    save_weights(small_vit(depth=4), tmp_path / "vit", {})
    with pytest.raises(
        ValueError, match=r"vit: weights of another architecture\n  blocks.4.*missing"
    ) as caught:
        load_weights(small_vit(), tmp_path / "vit")
    assert "and 91 more" in str(caught.value)
    save_weights(small_vit(init_values=0.1), tmp_path / "vit", {})
    with pytest.raises(ValueError, match=r"blocks.0.ls1.gamma: not in this model"):
        load_weights(small_vit(), tmp_path / "vit")


def test_files_that_hold_no_weights(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_weights(small_vit(), tmp_path / "absent")
    (tmp_path / "text").write_text("these are no weights, though there is some length to them")
    with pytest.raises(ValueError, match="text: not a safetensors file"):
        load_weights(small_vit(), tmp_path / "text")
