"""An interrupted training's state comes back as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import tokred
from tests.training.vits import tiny_vit
from tokred.settings import Training
from tokred.training import checkpoint
from tokred.training.optimizer import make_optimizer

TRAINING = Training(lr=0.01, weight_decay=0.1)


def reduced() -> tokred.models.vision_transformer.ReducedVisionTransformer:
    return tokred.reduce(tiny_vit(2), "dpcknn", keep_rate=0.5, locations=(1,))


def step(model: torch.nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(seed))
    optimizer.zero_grad()
    model(images).square().sum().backward()
    optimizer.step()


def test_tensors_and_facts(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    tensors = {"a": torch.arange(6.0).reshape(2, 3).T, "b.c": torch.tensor(3, dtype=torch.int64)}
    facts = {"epoch": 2, "history": [{"lr": 0.1, "val_score": 0.5}], "settings": "ä"}
    checkpoint.save(path, {"old": torch.zeros(1)}, {})
    checkpoint.save(path, tensors, facts)
    stored, stored_facts = checkpoint.load(path)
    assert stored.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert stored[name].dtype == tensor.dtype
        assert torch.equal(stored[name], tensor)
    assert stored_facts == facts
    assert [file.name for file in tmp_path.iterdir()] == ["state.safetensors"]


def test_facts_that_are_not_finite(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "s.safetensors", {"a": torch.zeros(1)}, {"best": float("-inf")})
    assert checkpoint.load(tmp_path / "s.safetensors")[1] == {"best": float("-inf")}


def test_prefixes() -> None:
    tensors = {"a.b": torch.zeros(1), "model.c": torch.ones(1)}
    longer = checkpoint.prefixed("model", tensors)
    assert list(longer) == ["model.a.b", "model.model.c"]
    both = {**longer, **checkpoint.prefixed("modelling", {"x": torch.zeros(1)})}
    assert checkpoint.without_prefix("model", both) == tensors
    assert list(checkpoint.without_prefix("modelling", both)) == ["x"]
    assert checkpoint.without_prefix("other", both) == {}


def test_optimizer_round_trip(tmp_path: Path) -> None:
    model = reduced()
    optimizer = make_optimizer(model, TRAINING)
    for seed in range(3):
        step(model, optimizer, seed)
    moments = checkpoint.optimizer_tensors(optimizer)
    assert len(moments) == 3 * len(list(model.parameters()))
    saved = {**checkpoint.prefixed("model", model.state_dict()), **checkpoint.prefixed("optimizer", moments)}
    checkpoint.save(tmp_path / "s.safetensors", saved, {})
    stored, _ = checkpoint.load(tmp_path / "s.safetensors")

    other = reduced()
    other_optimizer = make_optimizer(other, TRAINING)
    other.load_state_dict(checkpoint.without_prefix("model", stored))
    checkpoint.load_optimizer(other_optimizer, checkpoint.without_prefix("optimizer", stored))
    again = checkpoint.optimizer_tensors(other_optimizer)
    assert again.keys() == moments.keys()
    assert all(torch.equal(again[name], moments[name]) for name in moments)
    assert [g["role"] for g in other_optimizer.param_groups] == [g["role"] for g in optimizer.param_groups]

    step(model, optimizer, 9)
    step(other, other_optimizer, 9)
    for name, tensor in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor), name


def test_moments_matter() -> None:
    model, other = reduced(), reduced()
    optimizer = make_optimizer(model, TRAINING)
    for seed in range(3):
        step(model, optimizer, seed)
    other.load_state_dict(model.state_dict())
    step(model, optimizer, 9)
    step(other, make_optimizer(other, TRAINING), 9)  # without the moments
    assert not torch.equal(other.head.weight, model.head.weight)


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    checkpoint.save(path, {"a": torch.zeros(100)}, {})
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match=r"s\.safetensors: not a safetensors file, or a damaged one"):
        checkpoint.load(path)
