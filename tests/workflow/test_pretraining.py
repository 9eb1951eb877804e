"""A backbone that is made by its target alone."""

from __future__ import annotations

import json
from pathlib import Path

from tests.workflow.conftest import Snakemake, overlay, planned
from tokred.models import tensor_file
from tokred.tables import schemas


def test_pretrained_backbones(smoke: Path, snakemake: Snakemake, tmp_path: Path) -> None:
    folder = smoke / "results/smoke/pretrained"
    names = {f"{name}{end}" for name in ("vit_nano", "vit_micro") for end in (".safetensors", ".json")}
    assert {path.name for path in folder.iterdir()} - {
        f"{n}.history.parquet" for n in ("vit_nano", "vit_micro")
    } == names
    for name, width in (("vit_nano", 48), ("vit_micro", 72)):
        tensors, facts = tensor_file.load(folder / f"{name}.safetensors", "weights")
        assert tensors["cls_token"].shape[-1] == width
        assert not any(tensor.startswith("token_head") for tensor in tensors)
        assert facts["recipe"]["steps"] == 8
        assert facts["properties"] == json.loads((folder / f"{name}.json").read_text())
        assert set(facts["properties"]["blocks"]) == {"0", "3", "6", "9"}
        history = schemas.read(folder / f"{name}.history.parquet", schemas.HISTORY)
        assert history["epoch"].tolist() == [1]
    changed = overlay(tmp_path, "recipe", {"pretraining": {"backbones": {"vit_nano": {"token_labels": 0.5}}}})
    done = snakemake("--dry-run", "results/smoke/pretrained/vit_nano.safetensors", configs=(changed,))
    assert planned(done.stdout + done.stderr) == {"pretrain": 1}
    done = snakemake("--dry-run", "results/smoke/pretrained/vit_micro.safetensors", configs=(changed,))
    assert "Nothing to be done" in done.stdout + done.stderr
