"""A ViT by name and file: which model, which classes, and what is wrong with other files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import tokred
from tests.cli.pictures import MODEL, write_weights
from tokred.models.pretrained import architecture_of, load_vit, read_tensors
from tokred.schedules import Stages


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_classes_are_those_of_the_file(name: str, tmp_path: Path) -> None:
    path = write_weights(tmp_path / name, num_classes=7)
    loaded = load_vit(MODEL, path)
    assert loaded.vit.num_classes == 7
    assert (loaded.name, loaded.origin, loaded.is_random) == (MODEL, str(path), False)
    expected = read_tensors(path)
    for key, tensor in loaded.vit.state_dict().items():
        assert torch.equal(tensor, expected[key])
    assert not loaded.vit.training


def test_without_a_classifier(tmp_path: Path) -> None:
    tensors = load_file(write_weights(tmp_path / "w.safetensors"))
    save_file({n: t for n, t in tensors.items() if not n.startswith("head.")}, tmp_path / "v.safetensors")
    assert load_vit(MODEL, tmp_path / "v.safetensors").vit.num_classes == 0


def test_another_image_size(tmp_path: Path) -> None:
    path = write_weights(tmp_path / "w.safetensors")
    loaded = load_vit(MODEL, path, image_size=96)
    expected = timm.create_model(MODEL, num_classes=3)
    expected.load_state_dict(load_file(path))
    expected.set_input_size(96)
    assert torch.allclose(loaded.vit.pos_embed, expected.pos_embed, atol=1e-5)


def test_random_weights_are_the_same_every_time() -> None:
    first, second = (load_vit(MODEL, random=True) for _ in range(2))
    assert first.is_random
    assert torch.equal(first.vit.head.weight, second.vit.head.weight)


@pytest.mark.parametrize("keys", [(), ("state_dict",), ("model_ema",), ("model", "state_dict")])
def test_wrapped_tensors(keys: tuple[str, ...], tmp_path: Path) -> None:
    content: object = {"module.a": torch.ones(2)}
    for key in keys:
        content = {key: content, "epoch": 3}
    torch.save(content, tmp_path / "w.pth")
    assert list(read_tensors(tmp_path / "w.pth")) == ["a"]


def test_the_model_follows_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub/config.json").write_text(json.dumps({"architecture": "test_vit2"}))
    for name in (f"{MODEL}-cd65a155.pth", f"{MODEL}.r160_in1k.safetensors"):
        (tmp_path / name).touch()
        assert architecture_of(tmp_path / name) == MODEL
    (tmp_path / "hub/model.safetensors").touch()
    assert architecture_of(tmp_path / "hub/model.safetensors") == "test_vit2"
    path = write_weights(tmp_path / f"{MODEL}-1.pth")
    assert load_vit(str(path)).name == MODEL


class _Other:
    """What must not be unpickled."""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"args": _Other(), "model": {}}, "holds other Python objects than tensors, which are not unpickled"),
        ({"model": {"epoch": 3}}, "expected tensors by name, .* found 'epoch'"),
        ([torch.ones(2)], "expected tensors by name, .* found nothing"),
        (b"no file of torch", "is damaged|cannot be read"),
    ],
)
def test_other_content(content: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ValueError, match=message):
        read_tensors(path)


def test_mistakes(tmp_path: Path) -> None:
    path = write_weights(tmp_path / "w.safetensors")
    (tmp_path / "w.npz").touch()
    for arguments, message in (
        (("test_vitt",), r"model 'test_vitt': timm has none of that name.* \(did you mean 'test_vit"),
        ((str(path),), "of which model\\? Neither its name nor a config.json"),
        ((str(tmp_path / "x.pth"),), "no such file"),
        ((MODEL, tmp_path / "x.pth"), "no such file"),
        ((MODEL, tmp_path / "w.npz"), "expected weights as .safetensors, .pth"),
        (("test_vit2", path), "w.safetensors for test_vit2: weights of another architecture"),
        (("resnet18", None, True), "model 'resnet18': expected an isotropic Vision Transformer"),
        ((MODEL, path, True), "either a file of weights or random weights"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            load_vit(*arguments)


SCHEDULE = Stages(keep_rate="0.50", locations=(1, 3))


def test_methods_with_layers_of_their_own(tmp_path: Path) -> None:
    path = write_weights(tmp_path / "w.safetensors")
    loaded = load_vit(MODEL, path)
    with pytest.raises(ValueError, match="'sinkhorn' cannot be used untrained, as its cluster centers are"):
        loaded.reduced("sinkhorn", SCHEDULE)
    assert next(loaded.reduced("dpcknn", SCHEDULE).reducers.parameters(), None) is None
    assert next(load_vit(MODEL, random=True).reduced("sinkhorn", SCHEDULE).reducers.parameters()) is not None

    trained = tokred.reduce(loaded.vit, "sinkhorn", schedule=SCHEDULE)
    for parameter in trained.reducers.parameters():
        nn.init.constant_(parameter, 0.25)
    save_file({n: t.clone() for n, t in trained.state_dict().items()}, tmp_path / "t.safetensors")
    loaded = load_vit(MODEL, tmp_path / "t.safetensors")
    for parameter in loaded.reduced("sinkhorn", SCHEDULE).reducers.parameters():
        assert (parameter == 0.25).all()
    with pytest.raises(ValueError, match=r"layers of method 'dynamicvit' are of another model: \d+ tensors"):
        loaded.reduced("dynamicvit", SCHEDULE)


@pytest.mark.slow
def test_names_of_another_publication(tmp_path: Path) -> None:
    """DINOv2's file as published: with a mask token, and position embeddings of another size."""
    model = timm.create_model("vit_small_patch14_dinov2", img_size=70)
    tensors = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.save({**tensors, "mask_token": torch.zeros(1, 384)}, tmp_path / "w.pth")
    loaded = load_vit("vit_small_patch14_dinov2", tmp_path / "w.pth", image_size=70)
    assert torch.equal(loaded.vit.blocks[3].ls1.gamma, tensors["blocks.3.ls1.gamma"])
    assert torch.equal(loaded.vit.pos_embed, tensors["pos_embed"])
