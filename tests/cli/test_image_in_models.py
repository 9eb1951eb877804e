"""What a picture says of an image is what the model's trace says."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch

import tokred
from tokred import schedules
from tokred.cli.image_in_models import blocks_to_show, draw, fates_of
from tokred.models.reduced import ReducedModel

SIZE = {"img_size": (32, 48), "patch_size": 8, "embed_dim": 32, "depth": 6, "num_heads": 2}
PIXELS = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def vit() -> torch.nn.Module:
    torch.manual_seed(0)
    return timm.create_model("vit_tiny_patch16_224", pretrained=False, **SIZE).eval()


def of(vit: torch.nn.Module, method: str, rate: float = 0.5) -> ReducedModel:
    return tokred.reduce(vit, method, keep_rate=rate, locations=(1, 3)).eval()


@pytest.mark.parametrize("method", ["topk", "tome", "kmedoids", "ats", "tofu"])
def test_fates_are_those_of_the_trace(vit: torch.nn.Module, method: str) -> None:
    model = of(vit, method)
    fates = fates_of(model, PIXELS, [1, 3])
    _, trace = model.trace(PIXELS)
    for place, stage in enumerate(trace.stages):
        anchors = {int(anchor) for anchor in stage.anchor[0] if anchor >= 0}
        if fates.kept is not None:
            assert {*np.flatnonzero(fates.kept[place])} == anchors
        if fates.clusters is not None:
            shown, slots = fates.clusters[place].ravel(), stage.assign[0].numpy()
            assert shown.shape == (24,)
            assert ((shown < 0) == (slots < 0)).all()
            for one in range(24):  # the same partition
                assert ((shown == shown[one]) == (slots == slots[one])).all()
    assert (fates.kept is not None, fates.clusters is not None) == (
        tokred.methods.registry.get(method).kept,
        tokred.methods.registry.get(method).clusters,
    )


def test_numbers_of_tokens(vit: torch.nn.Module) -> None:
    assert fates_of(of(vit, "topk"), PIXELS, [1, 3]).texts == ("12 tokens", "6 tokens")
    assert fates_of(of(vit, "tome"), PIXELS, [0, 1, 5]).texts == ("24 tokens", "12 tokens", "6 tokens")
    fates = fates_of(of(vit, "ats"), PIXELS, [1])  # as many as it samples, without padding
    assert fates.kept is not None
    assert fates.texts == (f"{fates.kept.sum()} tokens",)


def test_blocks_with_stages_or_four_of_many(vit: torch.nn.Module) -> None:
    every = tokred.reduce(vit, "tome", schedule=schedules.Constant(2))
    assert blocks_to_show([of(vit, "topk"), of(vit, "tome")]) == [1, 3]
    assert blocks_to_show([every, of(vit, "topk")]) == [0, 2, 3, 5]


@pytest.mark.slow
def test_methods_without_the_part_have_no_row(vit: torch.nn.Module) -> None:
    models = {"topk": [of(vit, "topk"), None], "tome": [of(vit, "tome"), of(vit, "tome", 0.7)]}
    image, groups = np.zeros((64, 96, 3)), ["a", "b"]
    names = {
        part: [axes.get_ylabel() for axes in draw(image, PIXELS, models, groups, [1, 3], part).axes[::5]]
        for part in ("both", "kept", "clusters")
    }
    assert names == {"both": ["Top-K", "ToMe"], "kept": ["Top-K"], "clusters": ["ToMe"]}
    title = "a\nafter 2 of 6 blocks"
    assert draw(image, PIXELS, models, groups, [1, 3], "both").axes[1].get_title() == title
    with pytest.raises(ValueError, match="none of the methods tome has kept tokens"):
        draw(image, PIXELS, {"tome": models["tome"]}, groups, [1, 3], "kept")
