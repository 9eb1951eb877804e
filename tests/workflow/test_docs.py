"""The documentation's examples run on a finished study, and print the documented output."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tokred
from tests.workflow.conftest import ROOT

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs/results.md").read_text(), re.S)


@pytest.fixture
def run(smoke: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run an example; returns its names."""
    (tmp_path / "results").symlink_to(smoke / "results")
    monkeypatch.chdir(tmp_path)

    def execute(number: int) -> dict[str, object]:
        names: dict[str, object] = {}
        exec(BLOCKS[number].replace('load("default")', 'load("smoke")'), names)
        return names

    return execute


def test_losses(run, capsys: pytest.CaptureFixture) -> None:
    loss = run(0)["loss"]
    scores = pd.read_parquet("results/smoke/scores")
    scores = scores.set_index(["dataset", "backbone", "method"])["score"]
    pair = scores["digits", "vit_nano", "topk"].max() - scores["digits", "vit_nano", "none"].item()
    assert loss.xs(("digits", "vit_nano", "topk"), level=("dataset", "backbone", "method")).max() == pair
    assert "tome" in capsys.readouterr().out


def test_agreement(run) -> None:
    agreement = run(1)["agreement"]
    assert set(agreement.index) == {"l1", "dynamicvit", "ats", "kmedoids"}
    assert agreement.max(axis=None) <= 1
    assert Path("agreement.png").read_bytes().startswith(b"\x89PNG")


def test_right_and_wrong(run, capsys: pytest.CaptureFixture) -> None:
    names = run(2)
    assert names["grid"].shape == (96, 10, 10)
    score = tokred.load("smoke").table(
        "scores", dataset="digits", backbone="vit_micro", method="topk", keep_rate=0.5
    )
    assert 100 * np.mean(names["right"]) == pytest.approx(score["score"].item())
    assert capsys.readouterr().out.split()[::2] == ["right", "wrong"]


def test_agreement_beyond_chance(run, capsys: pytest.CaptureFixture) -> None:
    names = run(3)
    pairs, agreement = names["pairs"], names["agreement"]
    assert len(agreement) == len(pairs) > 0
    assert (agreement <= 1 + 1e-12).all()
    assert (agreement < pairs["mean"]).any()
    assert "topk" in capsys.readouterr().out
