"""The README's worked examples work: a method is one file and one line; tables can be read by pandas."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import timm
import torch

import tokred
from tests.workflow.conftest import ROOT, call, overlay

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)


def block(marker: str) -> str:
    """The one Python example that contains a text."""
    (found,) = [text for text in BLOCKS if marker in text]
    return found


def test_adding_a_method(tmp_path: Path) -> None:
    root = tmp_path / "clone"
    for name in ("tokred", "rules", "workflow", "envs"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, root / name)
    (root / "tokred/methods/evenly.py").write_text(block("class Evenly"))
    registry = root / "tokred/methods/registry.py"
    line = block('Method("evenly"')
    registry.write_text(
        registry.read_text().replace("\n]\n\n#: Every method", f"\n{line}]\n\n#: Every method")
    )
    tiny = {"adapter": "digits", "options": {"num_train": 64, "num_test": 32}}
    study = {"study": "mine", "datasets": ["digits"], "backbones": ["vit_nano"], "keep_rates": [0.5]}
    study |= {"methods": ["topk", "evenly"], "settings": {"datasets": {"digits": tiny}}}
    study |= {"training": {"epochs": 1}}
    done = call(tmp_path, "--configfile", overlay(tmp_path, "mine", study), root=root)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    table = pd.read_csv(tmp_path / "results/mine/tables/table1.csv", index_col=0)
    assert list(table.index) == ["Unreduced", "Top-K", "Evenly"]
    patterns = pd.read_parquet(tmp_path / "results/mine/patterns/digits/vit_nano/evenly/0.50/0.parquet")
    assert (patterns["survived"][0] >= 1).sum() == 50


def test_reading_tables(smoke: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = block("pivot_table").replace('load("default")', 'load("smoke")')
    monkeypatch.chdir(smoke)
    names: dict[str, object] = {}
    exec(code, names)
    assert len(names["study"]["scores"]) == 60
    assert set(names["pairs"]["metric"]) == {"ioa", "homogeneity", "completeness"}
    assert (names["patterns"].survived[0] >= 1).sum() == 50


def test_the_package_by_itself() -> None:
    code = block("tokred.reduce(vit").replace("deit_small_patch16_224", "deit_tiny_patch16_224")
    names = {"images": torch.randn(2, 3, 224, 224), "timm": timm, "tokred": tokred}
    exec(code, names)
    assert names["logits"].shape == (2, 1000)
    assert names["trace"].stages[0].assign.shape == (2, 196)
    assert names["trace"].stages[0].anchor.shape == (2, 137)
