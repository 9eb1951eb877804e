"""What the terminal shows for a mistake: one clear message, once, and no lines of code."""

from __future__ import annotations

from typing import Any

import pytest

from tests.study.studies import at, overlaid
from tests.workflow.conftest import ROOT, call_each, overlay

SETTINGS = "settings.backbones.vit_nano"
REFUSED = "study default: invalid configuration"
#: By name: changes of the default study, and how the lines of the message begin.
WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "wrong key": (
        {"study": "mine", "sedes": [1]},
        [
            "study mine: invalid configuration",
            "  sedes: unknown key (did you mean 'seeds'?); known: study, datasets, backbones, ",
        ],
    ),
    "wrong value": (
        at("training.batch_size", "many"),
        [REFUSED, "  training.batch_size: expected an integer, found "],
    ),
    "missing weights": (
        overlaid(at(f"{SETTINGS}.weights", "mine.safetensors"), at(f"{SETTINGS}.mean", [0.5] * 3)),
        [REFUSED, f"  {SETTINGS}.weights: no such file: 'mine.safetensors'; expected 'shipped', "],
    ),
    "missing hyperparameters": (
        {"hyperparameters": "mine.yaml"},
        [REFUSED, "  hyperparameters: expected 'own', 'published' or a file, found 'mine.yaml'"],
    ),
    "missing study": (
        {"compare_with": "nothing"},
        ["compare_with: study 'nothing' has no performance under results/nothing/scores"],
    ),
}
PETS = {"adapter": "image_folder", "options": {"root": "pets"}}
#: By name: changes of the default study, the targets, and the message.
IMPOSSIBLE: dict[str, tuple[dict[str, Any], str, str]] = {
    "missing images": (
        {**at("settings.datasets.pets", PETS), "datasets": ["pets"], "training": {"max_shift": 0}},
        "results/default/datasets/pets/train.parquet",
        "data set folder pets does not exist",
    ),
    "impossible figure": (
        {"methods": ["topk"]},
        "results/default/figures/figure40.pdf",
        "figure40 needs at least",
    ),
    "no search": ({}, "search", "study 'default' has no key `search`: see docs/search.md"),
    "wrong search": (
        {"methods": ["l1", "topk"], "search": {"methods": ["nix"]}},
        "search",
        "search.methods: 'nix' is not in the study; known: l1, topk",
    ),
    "no run": (
        {},
        "results/default/scores/digits/vit_nano/topk/0.90/0.parquet",
        "study 'default' has no run digits/vit_nano/topk/0.90/0",
    ),
    "a backbone of a study that pretrains none": (
        {"pretraining": None},
        "results/default/pretrained/vit_nano.safetensors",
        "study 'default' has no pretraining: the key `pretraining` is missing",
    ),
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Output of Snakemake by name of a mistake; each is rejected."""
    folder = tmp_path_factory.mktemp("mistakes")
    asked = {name: (changes, "all") for name, (changes, _) in WRONG.items()}
    asked |= {name: (changes, target) for name, (changes, target, _) in IMPOSSIBLE.items()}
    common = ["--snakefile", str(ROOT / "Snakefile"), "--cores", "1"]
    calls = [
        [*common, target, "--configfile", overlay(folder, name.replace(" ", "_"), changes)]
        for name, (changes, target) in asked.items()
    ]
    outcomes = dict(zip(asked, call_each(folder, calls), strict=True))
    assert [status for status, _ in outcomes.values()] == [1] * len(asked)
    assert not (folder / "results").exists()
    return {name: printed for name, (_, printed) in outcomes.items()}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_configuration(name: str, shown: dict[str, str]) -> None:
    lines, expected = shown[name].splitlines(), WRONG[name][1]
    begin = lines.index("StudyError:") + 1
    for found, start in zip(lines[begin : begin + len(expected)], expected, strict=True):
        assert found.startswith(start)
    # Besides, only that Snakemake has read the configuration and the profile.
    others = [*lines[: begin - 1], *lines[begin + len(expected) :]]
    assert all(line.startswith(("Config file ", "Using workflow specific profile ")) for line in others)


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_cannot_be_had(name: str, shown: dict[str, str]) -> None:
    assert shown[name].count(IMPOSSIBLE[name][2]) == 1
    assert "Job stats" not in shown[name]
    assert '  File "' not in shown[name]
    assert "most recent call" not in shown[name]
