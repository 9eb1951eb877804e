"""Extraction of a pretrained backbone with a method in it, in a study without training."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.evaluation.files import outputs
from tests.training.tiny import BACKBONE
from tokred import fingerprint
from tokred.data.prepare import prepare
from tokred.evaluation.job import extract_run
from tokred.models.factory import build_vit
from tokred.models.weights import save_weights
from tokred.run import Run
from tokred.settings import parse
from tokred.settings.jobs import ExtractJob, Network
from tokred.tables import schemas
from tokred.tables.lineage import codes

RUN = Run("digits", "tiny", "dpcknn", "0.70", 0)
MODEL = Network(backbone=BACKBONE, locations=[3, 6], options={"weights": "equal"}).model_dump(mode="json")


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = str(tmp_path / "test.parquet")
    prepare("digits", "digits", "test", {"num_test": 12}, path, code={"prepare": "p0"})
    return path


def job(tmp_path: Path, table: str, weights: str | None, **more: object) -> ExtractJob:
    files = asdict(outputs(tmp_path))
    values = {"run": RUN, "model": MODEL, "weights": weights, "test_table": table, "batch_size": 8, **files}
    return parse(ExtractJob, {"code": {"extract": "e0"}, "trained": False, **values, **more}, "job")


def test_the_backbone_s_weights_are_evaluated(tmp_path: Path, table: str) -> None:
    torch.manual_seed(0)
    vit, weights = build_vit(BACKBONE, 10).eval(), str(tmp_path / "vit.safetensors")
    save_file(vit.state_dict(), weights)
    extract_run(job(tmp_path, table, weights))
    facts = schemas.metadata(outputs(tmp_path).patterns)
    assert facts["backbone"] == fingerprint.file(weights)
    assert "checkpoint" not in facts
    assert codes(facts) == {"prepare": ["p0"], "extract": ["e0"]}
    row = schemas.read(outputs(tmp_path).score, schemas.SCORES).iloc[0]
    assert (row["method"], row["n"]) == ("dpcknn", 12)


def test_a_classifier_of_other_classes_is_an_error(tmp_path: Path, table: str) -> None:
    weights = tmp_path / "vit.safetensors"
    save_file(build_vit(BACKBONE, 7).state_dict(), weights)
    with pytest.raises(ValueError, match=r"head\.weight: found \(7, 24\), expected \(10, 24\)"):
        extract_run(job(tmp_path, table, str(weights)))
    names = [f"{9 - digit}" for digit in range(10)]
    save_weights(build_vit(BACKBONE, 10), weights, {"classes": names})
    with pytest.raises(ValueError, match=r"its classes are not those of .*: label 0 is '0', expected '9'"):
        extract_run(job(tmp_path, table, str(weights)))


def test_without_a_file_they_are_timm_s(tmp_path: Path, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = build_vit(BACKBONE, 10).state_dict()
    monkeypatch.setattr("tokred.models.weights.timm_weights", lambda backbone: tensors)
    extract_run(job(tmp_path, table, None))
    assert schemas.metadata(outputs(tmp_path).score)["backbone"] == fingerprint.tensors(tensors)


def test_a_trained_model_has_weights_of_its_own(tmp_path: Path, table: str) -> None:
    with pytest.raises(ValueError, match="weights: missing, expected those of the trained model"):
        job(tmp_path, table, None, trained=True)
