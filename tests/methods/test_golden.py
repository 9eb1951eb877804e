"""The methods of the paper reproduce the reference outputs: logits, CLS features, kept sets and clusters."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import normalized_mutual_info_score
from timm.models.vision_transformer import VisionTransformer

import tokred
from tokred.methods.registry import PAPER

GOLDEN = Path(__file__).parents[1] / "golden"
#: Where the two largest weights of a token of Sinkhorn differ by less, they agree to single precision, and
#: the CPU decides: six tokens at block 6 have margins of 2e-8 and less, at block 9 nearly all.
TIE = 1e-7


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.from_numpy(np.load(GOLDEN / "backbone.npz")["images"])


def golden_vit() -> VisionTransformer:
    shape = json.loads((GOLDEN / "backbone.json").read_text())
    shape.pop("locations")
    vit = VisionTransformer(**shape).eval()
    with np.load(GOLDEN / "backbone.npz") as stored:
        weights = {name: torch.from_numpy(stored[name]) for name in stored.files if name != "images"}
    vit.load_state_dict(weights)
    return vit


def golden_model(method: str) -> tokred.models.vision_transformer.ReducedVisionTransformer:
    """The model with the reference's own parameters, told apart by their shapes, in stage order."""
    model = tokred.reduce(golden_vit(), method, keep_rate=0.7)
    with np.load(GOLDEN / f"{method}_r70.npz") as stored:
        given = [torch.from_numpy(stored[name]) for name in stored.files if name.startswith("param/")]
    with torch.no_grad():
        for parameter in model.reducers.parameters():
            index = next(i for i, value in enumerate(given) if value.shape == parameter.shape)
            parameter.copy_(given.pop(index))
    assert not given, "the reference has parameters that the method has not"
    return model


@pytest.mark.parametrize("method", PAPER)
def test_reproduces_reference(method: str, images: torch.Tensor) -> None:
    golden = np.load(GOLDEN / f"{method}_r70.npz")
    model = golden_model(method)
    with torch.no_grad():
        logits, trace = model.trace(images)
        np.testing.assert_allclose(model(images), logits, atol=1e-5, rtol=0)
    np.testing.assert_allclose(logits, golden["logits"], atol=1e-4, rtol=0)
    for index, block in enumerate((3, 6, 9, 11)):
        np.testing.assert_allclose(trace.cls[:, index], golden[f"cls/{block}"], atol=1e-4, rtol=0)
    checked = 0
    for stage, block in zip(trace.stages, (3, 6, 9), strict=True):
        if f"kept/{block}" in golden:
            kept = np.unpackbits(golden[f"kept/{block}"], axis=1)[:, :196].astype(bool)
            for image in range(len(images)):
                ours = stage.anchor[image][stage.anchor[image] >= 0]
                assert sorted(ours.tolist()) == np.flatnonzero(kept[image]).tolist()
            checked += 1
        if f"cluster/{block}" in golden and (method, block) != ("sinkhorn", 9):
            told = stage.margin > TIE if method == "sinkhorn" else torch.ones_like(stage.assign).bool()
            assert told.float().mean() > 0.95
            for image in range(len(images)):
                tokens = told[image]
                expected = golden[f"cluster/{block}"][image][tokens]
                nmi = normalized_mutual_info_score(expected, stage.assign[image][tokens])
                assert nmi == pytest.approx(1.0, abs=1e-12)
            checked += 1
    assert checked >= 2
