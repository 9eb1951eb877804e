"""What the terminal shows for a mistake: one clear message, once, and no lines of code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.config.studies import at, overlaid
from tests.workflow.conftest import call, overlay

#: A user's own images, below a folder that is not there.
PETS = {
    "datasets": ["pets"],
    **at("settings.datasets.pets", {"adapter": "image_folder", "options": {"root": "pets"}}),
    "training": {"max_shift": 0},
}


def printed(folder: Path, changes: dict[str, Any], *arguments: str) -> str:
    """What Snakemake says of a changed default study that it refuses, apart from how it was called."""
    done = call(folder, *arguments, "--configfile", overlay(folder, "changed", changes))
    assert done.returncode == 1
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        (
            {"study": "mine", "sedes": [1]},
            [
                "study mine: configuration is not valid",
                "  sedes: unknown key (did you mean 'seeds'?); known: study, datasets, backbones, ",
            ],
        ),
        (
            at("training.batch_size", "many"),
            [
                "study default: configuration is not valid",
                "  training.batch_size: Input should be a valid integer, unable to parse string as an ",
            ],
        ),
        (
            overlaid(at("settings.backbones.vit_nano.weights", "mine.safetensors"),
                     at("settings.backbones.vit_nano.mean", [0.5] * 3)),
            [
                "study default: configuration is not valid",
                "  settings.backbones.vit_nano.weights: there is no file 'mine.safetensors'; expected ",
            ],
        ),
        (
            {"hyperparameters": "mine.yaml"},
            [
                "study default: configuration is not valid",
                "  hyperparameters: expected 'own', 'published' or a file, found 'mine.yaml'",
            ],
        ),
        (
            {"compare_with": "nothing"},
            ["compare_with: study 'nothing' has no performance under results/nothing/scores"],
        ),
    ],
    ids=["wrong key", "wrong value", "missing weights", "missing hyperparameters", "missing study"],
)  # fmt: skip
def test_wrong_configuration(changes: dict[str, Any], lines: list[str], tmp_path: Path) -> None:
    shown = printed(tmp_path, changes, "--dry-run").splitlines()
    begin = shown.index("StudyError:") + 1
    for found, expected in zip(shown[begin : begin + len(lines)], lines, strict=True):
        assert found.startswith(expected)
    # Only that Snakemake has read the configuration and the profile.
    others = [*shown[: begin - 1], *shown[begin + len(lines) :]]
    assert all(line.startswith(("Config file ", "Using workflow specific profile ")) for line in others)


@pytest.mark.parametrize(
    ("changes", "target", "message"),
    [
        (PETS, "results/default/datasets/pets/train.parquet", "data set folder pets does not exist"),
        ({}, "results/default/figures/figure40.pdf", "figure40 needs at least"),
        ({}, "search", "study 'default' has no key `search`: see docs/search.md"),
        (
            {"search": {"methods": ["nix"]}},
            "search",
            "search.methods: the study has no 'nix'; it has: l1, topk",
        ),
        (
            {},
            "results/default/scores/digits/vit_nano/topk/0.90/0.parquet",
            "study 'default' has no run digits/vit_nano/topk/0.90/0",
        ),
    ],
    ids=["missing images", "impossible figure", "no search", "wrong search", "no run"],
)
def test_what_cannot_be_had(changes: dict[str, Any], target: str, message: str, tmp_path: Path) -> None:
    changes = changes if target.endswith("train.parquet") else {"methods": ["l1", "topk"], **changes}
    shown = printed(tmp_path, changes, target)
    assert shown.count(message) == 1
    assert "Job stats" not in shown
    assert '  File "' not in shown
    assert "most recent call" not in shown
