"""Pretrained weights through timm, from a local file in place of the hub, and what can be wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import timm
import torch
from safetensors.torch import save_file

from tests.training.pictures import PLAIN, table
from tokred.data.image_table import ImageTable
from tokred.evaluation.job import extract_run
from tokred.models.factory import build_vit
from tokred.models.weights import assign_weights, load_weights, timm_weights
from tokred.settings import Backbone, parse
from tokred.tables import schemas
from tokred.tables.patterns import fixed_lists
from tokred.training.job import train

MODEL = "deit_tiny_patch16_224.fb_in1k"
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225), "image_size": 224}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Random weights of DeiT-T, 1,000 classes, as a file of timm."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "deit.safetensors"
    save_file(timm.create_model(MODEL).state_dict(), path)
    return str(path)


def backbone(weights: str = "timm", **changes: object) -> Backbone:
    return parse(Backbone, {"model": MODEL, "patch_size": 16, "weights": weights, **changes}, "study")


def test_what_is_left_out_is_timm_s() -> None:
    for found in (backbone(), backbone("some.safetensors")):
        assert (found.mean, found.std, found.image_size) == tuple(
            IMAGENET[k] for k in ("mean", "std", "image_size")
        )
    assert backbone(image_size=64).image_size == 64
    assert backbone(mean=(0.1, 0.2, 0.3)).mean == (0.1, 0.2, 0.3)
    assert backbone("pretrain", image_size=32).mean == (0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match="image_size: missing"):
        backbone("pretrain")
    with pytest.raises(ValueError, match=r"timm has no weights for model 'deit_teeny'"):
        backbone(model="deit_teeny")
    with pytest.raises(ValueError, match="Invalid pretrained tag"):
        backbone(model="deit_tiny_patch16_224.nobody")


def test_hub_s_weights(file: str) -> None:
    """A file in place of the hub, as timm itself has it."""
    described = backbone(kwargs={"pretrained_cfg_overlay": {"file": file}})
    tensors = timm_weights(described)
    vit = build_vit(described, 1000)
    assign_weights(vit, tensors, "timm's")
    torch.manual_seed(0)
    expected = timm.create_model(MODEL).state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in vit.state_dict().items())


def test_file_with_other_classes_and_image_size(file: str) -> None:
    vit = build_vit(backbone(file, image_size=96), 7)
    head = vit.head.weight.clone()
    load_weights(vit, file, new_head=True)
    assert torch.equal(vit.head.weight, head)
    theirs = timm.create_model(
        MODEL, img_size=96, num_classes=7, pretrained=True, pretrained_cfg_overlay={"file": file}
    )
    assert vit.pos_embed.shape == (1, 37, 192)
    torch.testing.assert_close(vit.pos_embed, theirs.pos_embed)
    torch.testing.assert_close(vit.blocks[5].mlp.fc1.weight, theirs.blocks[5].mlp.fc1.weight)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"patch_size": 32},
            r"patch_embed.proj.weight: found \(192, 3, 16, 16\), expected \(192, 3, 32, 32\)",
        ),
        ({"depth": 6}, r"blocks.10.attn.proj.bias: not in this model"),
        ({"model": "deit_small_patch16_224"}, r"cls_token: found \(1, 1, 192\), expected \(1, 1, 384\)"),
    ],
)
def test_weights_of_another_architecture(changes: dict[str, object], message: str, file: str) -> None:
    vit = build_vit(backbone(file, **changes), 1000)
    with pytest.raises(
        ValueError, match=r"deit.safetensors: weights of another architecture(.|\n)*" + message
    ):
        load_weights(vit, file)


def test_weights_that_cannot_be_had(tmp_path: Path) -> None:
    absent = backbone(kwargs={"pretrained_cfg_overlay": {"file": str(tmp_path / "absent.safetensors")}})
    with pytest.raises(ValueError, match=r"could not give the weights of 'deit_tiny(.|\n)*HF_HUB_OFFLINE=1"):
        timm_weights(absent)


@pytest.mark.slow
def test_no_epochs_give_timm_s_model_as_it_is(file: str, tmp_path: Path) -> None:
    """The unreduced ImageNet model of the paper, through the jobs that train and evaluate it."""
    test = table(tmp_path / "test.parquet", 6, split="test", classes=1000)
    overlay = {"pretrained_cfg_overlay": {"file": file}}
    model = {"backbone": backbone(kwargs=overlay), "locations": [3, 6, 9]}
    learned = table(tmp_path / "train.parquet", 6, classes=1000)
    run = {"dataset": "pictures", "backbone": "deit", "method": "none", "keep_rate": "1.00", "seed": 0}
    images, checkpoint = {"source": "stream", "crop_pct": 0.875}, str(tmp_path / "0.safetensors")
    training, history = {**PLAIN, "epochs": 0}, str(tmp_path / "h.parquet")
    common = {"run": run, "model": model, "images": images, "weights": checkpoint}
    start = {"pretrained": None, "keep_head": True, "train_table": learned}
    train({**common, **start, "training": training, "history": history})
    assert len(schemas.read(history, schemas.HISTORY)) == 0
    names = ("predictions", "patterns", "features", "score")
    outputs = {name: str(tmp_path / f"{name}.parquet") for name in names}
    extract_run({**common, "batch_size": 4, "test_table": test, **outputs})
    logits = fixed_lists(pq.read_table(outputs["predictions"]), "logits")
    theirs = timm.create_model(MODEL, pretrained=True, **overlay).eval()
    pictures = ImageTable(test)
    transform = timm.data.create_transform((3, 224, 224), crop_pct=0.875, interpolation="bicubic")
    with torch.no_grad():
        expected = theirs(torch.stack([transform(pictures.image(i)) for i in range(6)]))
    np.testing.assert_allclose(logits, expected, atol=1e-4)
