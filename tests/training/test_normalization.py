"""Scales that are set after a pretraining are those that are measured then."""

from __future__ import annotations

import pytest
import torch

from tests.training.vits import randomize, tiny_vit
from tokred.evaluation import digit_properties
from tokred.evaluation.properties import BLOCKS, measure
from tokred.models.factory import build_vit
from tokred.settings import Backbone
from tokred.training.normalization import normalize_backbone


def test_scales_are_set_and_logits_stay() -> None:
    vit = tiny_vit(10).eval()
    randomize(vit)
    inputs = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    objects = torch.arange(16).expand(8, -1) < 5
    with torch.no_grad():
        before = vit(inputs)
        normalize_backbone(vit, inputs, objects, 2.0, 1.6)
        torch.testing.assert_close(vit(inputs), before, atol=1e-3, rtol=0)
    found = measure(vit, [(inputs, objects)])
    distances = [found[block].squared_distance for block in BLOCKS[1:]]
    assert sum(distances) / len(distances) == pytest.approx(2, rel=1e-3)
    for block in BLOCKS:
        assert found[block].key_offset == pytest.approx(1.6, rel=1e-3)


def test_properties_are_measured_on_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digit_properties, "BLOCK_IMAGES", 10)
    size = {"embed_dim": 24, "num_heads": 3, "weight_init": "jax"}
    backbone = Backbone(model="vit_tiny_patch16_224", image_size=30, patch_size=6, depth=10, kwargs=size)
    torch.manual_seed(0)
    found = digit_properties.measure_on_digits(build_vit(backbone, 10).eval(), backbone, 20)
    assert set(found["blocks"]) == {str(block) for block in BLOCKS}
    assert found["top1"] in {5.0 * hits for hits in range(21)}
    assert 0.1 < found["object_share"] < 0.6
