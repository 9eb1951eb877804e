"""The shipped backbones are the files that the manifest says, made by the recipe in the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tokred.evaluation.digit_properties import measure_on_digits
from tokred.models import shipped
from tokred.models.factory import build_vit
from tokred.models.weights import load_weights
from tokred.settings import parse
from tokred.study.study import Study

ROOT = Path(__file__).parents[2]
STUDY = parse(Study, yaml.safe_load((ROOT / "config.yaml").read_text()), "config.yaml")
BACKBONES = list(STUDY.settings.backbones)


@pytest.mark.parametrize("name", BACKBONES)
def test_file(name: str) -> None:
    assert shipped.sha256(shipped.path(name)) == shipped.manifest()[name]["sha256"]


@pytest.mark.parametrize("name", BACKBONES)
def test_recipe(name: str) -> None:
    assert shipped.manifest()[name]["recipe"] == STUDY.pretraining_for(name).model_dump()


def test_size() -> None:
    assert sum(shipped.path(name).stat().st_size for name in BACKBONES) < 3_000_000


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_properties(name: str) -> None:
    """As stored in the manifest, and such that methods act on them as on backbones of photographs."""
    backbone = STUDY.settings.backbones[name]
    vit = build_vit(backbone, 10).eval()
    load_weights(vit, shipped.path(name))
    entry = shipped.manifest()[name]
    found, stored = measure_on_digits(vit, backbone, entry["recipe"]["test_images"]), entry["properties"]
    assert found["top1"] == pytest.approx(stored["top1"], abs=0.1)
    assert found["top1_interval"] == pytest.approx(stored["top1_interval"], abs=0.01)
    for index, block in found["blocks"].items():
        assert block == pytest.approx(stored["blocks"][index], rel=0.01)
    assert found["top1"] >= 96
    assert found["blocks"]["0"]["attention_auc"] < 0.8
    for index in ("3", "6", "9"):
        block = found["blocks"][index]
        assert block["attention_auc"] >= 0.9
        assert block["key_cosine"] >= 0.9
        assert block["squared_distance"] < 0.1


#: Rows of the documented table: the property, its value in parentheses, and decimals.
DOCUMENTED = {
    "AUC of CLS attention": ("attention_auc", None, 2),
    "cosine of keys": ("key_cosine", "mean_key_cosine", 2),
    "squared distance": ("squared_distance", None, 4),
    "effective rank": ("effective_rank", None, 0),
    "key offset": ("key_offset", "mean_key_offset", 2),
}


def test_documented_properties() -> None:
    """The table of docs/built-in-study.md shows the manifest's values."""
    lines = (ROOT / "docs/built-in-study.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    found = {(row[0], row[1]): row[3:] for row in rows if len(row) == 5}
    properties = [shipped.manifest()[name]["properties"] for name in ("vit_nano", "vit_micro")]
    for label, (key, second, decimals) in DOCUMENTED.items():
        for index in properties[0]["blocks"]:
            expected = []
            for block in (measured["blocks"][index] for measured in properties):
                more = f" ({block[second]:.{decimals}f})" if second else ""
                expected.append(f"{block[key]:.{decimals}f}{more}")
            assert found[label, index] == expected, (label, index)
    top1 = [f"{measured['top1']:.1f} ± {measured['top1_interval']:.1f}" for measured in properties]
    assert found["top-1 on `digits`, %", ""] == top1


def test_the_larger_backbone_is_better() -> None:
    nano, micro = (shipped.manifest()[name]["properties"] for name in ("vit_nano", "vit_micro"))
    error = (nano["top1_interval"] ** 2 + micro["top1_interval"] ** 2) ** 0.5
    assert micro["top1"] - nano["top1"] > error


def test_unknown_backbone() -> None:
    with pytest.raises(ValueError, match="'vit_huge'; shipped: vit_micro, vit_nano"):
        shipped.path("vit_huge")
