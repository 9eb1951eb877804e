"""The shipped backbones are the files that the manifest says, made by the recipe in the configuration."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
import yaml

from tokred.data.in_memory import Images, normalize
from tokred.data.prepare import prepare
from tokred.evaluation.scores import score
from tokred.models import shipped
from tokred.models.factory import build_model
from tokred.models.weights import load_weights
from tokred.study import Training, parse
from tokred.study.parts import Dataset
from tokred.study.study import Study

ROOT = Path(__file__).parents[2]
STUDY = parse(Study, yaml.safe_load((ROOT / "config.yaml").read_text()), "config.yaml")
BACKBONES = list(STUDY.settings.backbones)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    path = str(tmp_path_factory.mktemp("digits") / "test.parquet")
    prepare("digits", "digits", "test", STUDY.options_of(STUDY.pretraining.dataset), path)
    return Images.read(path, 32)


@pytest.mark.parametrize("name", BACKBONES)
def test_file_and_recipe(name: str) -> None:
    entry = shipped.manifest()[name]
    assert hashlib.sha256(shipped.path(name).read_bytes()).hexdigest() == entry["sha256"]
    # Settings that came later had no effect then, as they have none by default.
    phases = [{**p, "training": Training(**p["training"]).model_dump()} for p in entry["recipe"]["phases"]]
    assert phases == STUDY.pretraining_for(name)
    assert Dataset(**entry["recipe"]["dataset"]) == STUDY.pretraining.dataset


def test_size() -> None:
    assert sum(shipped.path(name).stat().st_size for name in BACKBONES) < 3_000_000


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_unreduced_model_reads_digits(name: str, images: Images) -> None:
    backbone = STUDY.settings.backbones[name]
    model = build_model(STUDY.pretraining_run(name), backbone, {}, (3, 6, 9), 10).eval()
    load_weights(model, shipped.path(name))
    with torch.no_grad():
        logits = torch.cat([model(normalize(pixels, backbone)) for pixels, _ in images.batches(250)])
    accuracy = score("single", logits.numpy(), images.labels.numpy())
    assert accuracy >= 90
    assert accuracy == pytest.approx(shipped.manifest()[name]["top1"], abs=0.3)


def test_unknown_backbone() -> None:
    with pytest.raises(ValueError, match="'vit_huge'; shipped: vit_micro, vit_nano"):
        shipped.path("vit_huge")
