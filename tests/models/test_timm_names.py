"""Every name in timm's modules of isotropic Vision Transformers can be reduced."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import timm
import torch
from torch import nn

import tokred
from tokred.models.reduced import ReducedModel
from tokred.schedules import Constant

MODULES = [
    "vision_transformer",
    "deit",
    "eva",
    "beit",
    "naflexvit",
    "vision_transformer_hybrid",
    "vision_transformer_relpos",
]
DOCS = Path(__file__).parents[2] / "docs" / "models.md"


def shallow(name: str) -> nn.Module:
    """The model of that name without memory, with two blocks where timm can make it so."""
    with torch.device("meta"):
        try:
            return timm.create_model(name, depth=2).eval()
        except AssertionError:  # its blocks differ, and their number is fixed
            return timm.create_model(name).eval()


def reduced_by_tome(name: str) -> tuple[ReducedModel, torch.Tensor]:
    """The model with 5 tokens merged in every block, and its features of one image."""
    model = tokred.reduce(shallow(name), "tome", schedule=Constant(5))
    size = vars(model).get("image_size") or model.patch_embed.img_size
    with torch.no_grad():
        return model, model.forward_features(torch.empty(1, 3, *size, device="meta"))


@pytest.mark.slow  # tests/models/test_any_vit.py tries every class
@pytest.mark.parametrize("module", MODULES)
def test_tome_reduces_every_name(module: str) -> None:
    names = timm.list_models(module=module)
    for name in names:
        model, features = reduced_by_tome(name)
        left = model.num_tokens - 5 * len(model.blocks)
        assert features.shape == (1, model.num_prefix_tokens + left, model.embed_dim), name
    if f"timm {timm.__version__} " in DOCS.read_text().replace(
        "\n", " "
    ):  # other releases have more names, or fewer
        assert documented()[module] == (len(names), len(names))


def documented() -> dict[str, tuple[int, int]]:
    """Names and reduced names of each module, as the documentation's table has them."""
    rows = re.findall(r"^\| `(\w+)` \|.*\| (\d+) of (\d+) \|$", DOCS.read_text(), re.MULTILINE)
    return {module: (int(names), int(reduced)) for module, reduced, names in rows}


def test_the_table_has_every_module() -> None:
    counts = documented()
    assert list(counts) == MODULES
    assert sum(reduced for _, reduced in counts.values()) >= 280
