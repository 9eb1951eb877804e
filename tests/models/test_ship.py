"""Pretrained backbones become those of the package."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.small_models import small_vit
from tokred.models import shipped
from tokred.models.ship import ship
from tokred.models.weights import save_weights


def test_manifest_lists_what_the_files_say(tmp_path: Path) -> None:
    made, folder = tmp_path / "pretrained", tmp_path / "package"
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"a": {"sha256": "old"}, "c": {"sha256": "kept"}}))
    for name, steps in (("a", 3), ("b", 5)):
        facts = {"recipe": {"steps": steps}, "properties": {"top1": 90.0 + steps}, "code": {}}
        save_weights(small_vit(), made / f"{name}.safetensors", facts, half=True)
    ship([made / "a.safetensors", made / "b.safetensors"], folder)
    found = json.loads((folder / "manifest.json").read_text())
    assert set(found) == {"a", "b", "c"}
    for name, steps in (("a", 3), ("b", 5)):
        copied = folder / f"{name}.safetensors"
        assert copied.read_bytes() == (made / copied.name).read_bytes()
        expected = {"recipe": {"steps": steps}, "properties": {"top1": 90.0 + steps}}
        assert found[name] == {**expected, "sha256": shipped.sha256(copied)}
    assert found["c"] == {"sha256": "kept"}


def test_weights_of_no_pretraining(tmp_path: Path) -> None:
    save_weights(small_vit(), tmp_path / "w.safetensors", {"recipe": {}})
    with pytest.raises(
        ValueError, match=r"w\.safetensors: expected weights of a pretraining, found none of its prop"
    ):
        ship([tmp_path / "w.safetensors"], tmp_path / "package")
    assert not (tmp_path / "package").exists()
