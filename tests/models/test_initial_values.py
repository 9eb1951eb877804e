"""Initial values of what pretrained weights do not bring: methods' own layers, and a new classifier."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import tokred
from tests.small_models import EACH_METHOD, small_vit
from tests.training.pictures import PLAIN, SMALL, table
from tokred.methods.base import Reducer, Stage
from tokred.methods.registry import METHODS, Family, Method
from tokred.models.factory import build_model, reset_classifier
from tokred.models.weights import save_weights
from tokred.run import Run
from tokred.training.job import train


class Scored(Reducer):
    """A third party's method with linear layers, one of them nested and one without bias."""

    def __init__(self, stage: Stage, options: object) -> None:
        super().__init__(stage, options)
        width = stage.embed_dim
        self.net = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width, bias=False))


class OwnValues(Scored):
    """One that wants other values."""

    def init_weights(self) -> None:
        nn.init.ones_(self.net[0].weight)


@pytest.fixture
def third_party(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, cls in (("scored", Scored), ("own_values", OwnValues)):
        method = Method(name, name, Family.STATIC, "#000000", "o", f"{__name__}:{cls.__name__}", kept=True)
        monkeypatch.setitem(METHODS, name, method)


def check_linear(layer: nn.Linear) -> None:
    assert layer.weight.abs().max() < 0.12
    error = 0.02 / math.sqrt(2 * layer.weight.numel())
    assert layer.weight.std().item() == pytest.approx(0.02, abs=5 * error)
    assert layer.weight.mean().item() == pytest.approx(0, abs=5 * 0.02 / math.sqrt(layer.weight.numel()))
    assert layer.bias is None or not layer.bias.any()


@pytest.mark.usefixtures("third_party")
@pytest.mark.parametrize("method", [*EACH_METHOD, "scored"])
def test_linear_layers_of_methods(method: str) -> None:
    model = tokred.reduce(small_vit(embed_dim=96), method, 0.5)
    layers = [module for module in model.reducers.modules() if isinstance(module, nn.Linear)]
    expected = {"dynamicvit": 4, "dpcknn": 1, "sit": 2, "scored": 2, "dtem": 1}
    assert len(layers) == 3 * expected.get(method, 0)
    for layer in layers:
        check_linear(layer)
    for name, parameter in model.reducers.named_parameters():
        if name.endswith("queries"):
            assert parameter.std().item() == pytest.approx(1, abs=0.1)
            assert parameter.mean().item() == pytest.approx(0, abs=0.1)
        if name.endswith("scale"):
            assert parameter.item() == 1


@pytest.mark.parametrize("method", ["dynamicvit", "dpcknn", "sit", "dtem"])
def test_random_numbers_are_drawn_stage_by_stage(method: str) -> None:
    """So a stage starts the same however many follow."""
    states = []
    for blocks in ((3,), (3, 6, 9)):
        vit = small_vit()
        torch.manual_seed(1)
        states.append(tokred.reduce(vit, method, 0.5, blocks).reducers[0].state_dict())
    assert states[0]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


@pytest.mark.usefixtures("third_party")
def test_a_method_can_have_other_values() -> None:
    model = tokred.reduce(small_vit(), "own_values", 0.5)
    assert (model.reducers[2].net[0].weight == 1).all()


def test_new_classifier() -> None:
    """Uniform within 1 / sqrt(D), weights and biases, the same whatever was drawn before."""
    run = Run("pictures", "b", "none", "1.00", 0)
    wide = SMALL.model_copy(update={"kwargs": {"embed_dim": 96, "num_heads": 3, "weight_init": "jax"}})
    model = build_model(run, wide, {}, (1,), 500)
    assert not model.head.weight.any(), "timm's classifier of this kind starts with zeros"
    reset_classifier(model, run)
    first = {name: value.clone() for name, value in model.head.state_dict().items()}
    for values in first.values():
        assert values.abs().max() <= 1 / math.sqrt(96)
        assert values.std().item() == pytest.approx(1 / math.sqrt(3 * 96), rel=0.1)
    torch.rand(7)
    reset_classifier(model, run)
    assert all(torch.equal(value, first[name]) for name, value in model.head.state_dict().items())
    reset_classifier(model, Run("pictures", "b", "none", "1.00", 1))
    assert not torch.equal(model.head.weight, first["weight"])
    reset_classifier(model, run, "zeros")
    assert not model.head.weight.any()
    assert not model.head.bias.any()


@pytest.mark.slow
@pytest.mark.parametrize(("keep_head", "values"), [(True, "linear"), (False, "linear"), (False, "zeros")])
def test_a_training_starts_with_a_new_classifier(keep_head: bool, values: str, tmp_path: Path) -> None:
    """A job without epochs writes what it starts with."""
    path = table(tmp_path / "train.parquet", 10)
    vit = build_model(Run("pictures", "b", "none", "1.00", 0), SMALL, {}, (1, 2), 5)
    nn.init.constant_(vit.head.weight, 0.5)
    save_weights(vit, tmp_path / "vit.safetensors", {})
    run = {"dataset": "pictures", "backbone": "b", "method": "none", "keep_rate": "1.00", "seed": 0}
    model = {"backbone": SMALL.model_dump(mode="json"), "options": {}, "locations": [1, 2]}
    training = {**PLAIN, "epochs": 0, "warmup_epochs": 0, "classifier_init": values}
    checkpoint = tmp_path / "run.safetensors"
    files = {"train_table": path, "weights": str(checkpoint), "history": str(tmp_path / "history.parquet")}
    start = {"pretrained": str(tmp_path / "vit.safetensors"), "keep_head": keep_head}
    images = {"source": "stream"}
    train({"run": run, "model": model, "training": training, "images": images, **start, **files})
    found = load_file(checkpoint)
    assert torch.equal(found["blocks.0.attn.qkv.weight"], vit.blocks[0].attn.qkv.weight)
    if keep_head:
        assert (found["head.weight"] == 0.5).all()
    elif values == "zeros":
        assert not found["head.weight"].any()
    else:
        assert found["head.weight"].abs().max() <= 1 / math.sqrt(24)
        assert found["head.weight"].std().item() == pytest.approx(1 / math.sqrt(3 * 24), rel=0.2)
        assert found["head.bias"].all()


@pytest.mark.parametrize("keep_head", [True, False])
def test_only_a_new_classifier_learns_while_the_backbone_is_frozen(keep_head: bool, tmp_path: Path) -> None:
    path = table(tmp_path / "train.parquet", 10)
    run = {"dataset": "pictures", "backbone": "b", "method": "none", "keep_rate": "1.00", "seed": 0}
    vit = build_model(Run(**run), SMALL, {}, (1, 2), 5)
    save_weights(vit, tmp_path / "vit.safetensors", {})
    model = {"backbone": SMALL.model_dump(mode="json"), "options": {}, "locations": [1, 2]}
    training = {**PLAIN, "epochs": 1, "warmup_epochs": 0, "backbone_freeze_epochs": 1, "full_lr": []}
    training["classifier_init"] = "zeros"
    files = {"train_table": path, "weights": str(tmp_path / "w"), "history": str(tmp_path / "h")}
    start = {"pretrained": str(tmp_path / "vit.safetensors"), "keep_head": keep_head}
    images = {"source": "stream"}
    train({"run": run, "model": model, "training": training, "images": images, **start, **files})
    found = load_file(tmp_path / "w")
    moved = {name for name, value in vit.state_dict().items() if not torch.equal(found[name], value)}
    assert moved == (set() if keep_head else {"head.weight", "head.bias"})
    assert keep_head or found["head.weight"].any()
