"""A small study without training, by the real Snakemake."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

import tokred
from tests.explorer.studies import payload_of
from tests.typical import slow_after_first
from tests.workflow.conftest import ROOT, call, planned
from tokred import fingerprint
from tokred.models import shipped
from tokred.tables import schemas

NANO = yaml.safe_load((ROOT / "config.yaml").read_text())["settings"]["backbones"]["vit_nano"]
COLORS = {"mean": [0.5] * 3, "std": [0.5] * 3}
#: The same weights twice: those of the package, and a copy of their file.
STUDY = {
    "study": "small",
    "training": "none",
    "datasets": ["digits"],
    "backbones": ["vit_nano", "copied"],
    "methods": ["topk", "tome", "dpcknn"],
    "keep_rates": [0.5],
    "compare_with": None,
    "settings": {
        "datasets": {"digits": {"options": {"num_test": 60}}},
        "methods": {"tome": {"schedule": {"kind": "matched"}}},
        "backbones": {"copied": {**NANO, "label": "Copied", "weights": "copied.safetensors", **COLORS}},
    },
}
RUNS = 2 * (1 + 3)


def config(folder: Path, name: str = "small", **changes: object) -> str:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({**STUDY, **changes}))
    return str(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which the study has run."""
    folder = tmp_path_factory.mktemp("untrained")
    shutil.copy(shipped.path("vit_nano"), folder / "copied.safetensors")
    done = call(folder, "--configfile", config(folder))
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed[-6000:]
    jobs = planned(printed)
    assert not {"train", "pretrain", "list_settings"} & set(jobs)
    assert (jobs["prepare"], jobs["extract"]) == (1, RUNS)
    return folder


@pytest.fixture
def results(folder: Path) -> Path:
    return folder / "results/small"


def test_results_are_those_of_a_study_but_for_trainings(results: Path) -> None:
    assert not {"checkpoints", "history", "pretrained"} & {path.name for path in results.iterdir()}
    assert [path.stem for path in (results / "datasets/digits").iterdir()] == ["test"]
    figures = {path.stem for path in (results / "figures").iterdir()}
    assert {"figure1", "figure2", "figure6", "figure36", "figure37"} <= figures
    assert [path.stem for path in sorted((results / "tables").glob("*.csv"))] == [
        *("matched_budget", "table1", "table7a")
    ]
    assert len(list((results / "patterns").rglob("*.parquet"))) == RUNS
    claims = pd.read_csv(results / "claims.csv")
    assert len(claims) > 20
    assert "holds" in set(claims["verdict"])
    assert (
        "pretrained backbones with a method in them, without fine-tuning"
        in (results / "claims.md").read_text()
    )


def test_methods_act_in_the_backbone_as_it_is(results: Path) -> None:
    found = tokred.load("small", results.parent)["scores"].set_index(["backbone", "method"])["score"]
    scores = found["vit_nano"]
    assert list(scores.index) == ["dpcknn", "none", "tome", "topk"]
    pd.testing.assert_series_equal(found["copied"], scores)
    assert abs(scores["none"] - shipped.manifest()["vit_nano"]["properties"]["top1"]) < 6  # of 60 images
    weights = shipped.path("vit_nano")
    for path in (results / "scores").rglob("*.parquet"):
        assert schemas.metadata(path)["backbone"] == fingerprint.file(weights)


def test_lineage_has_no_training(results: Path) -> None:
    stages = set(pd.read_csv(results / "code.csv")["stage"])
    assert {"prepare", "prepare digits", "extract", "extract dpcknn", "summarize"} <= stages
    assert not [stage for stage in stages if stage.startswith(("train", "pretrain"))]


def test_explorer_has_every_run(results: Path) -> None:
    data = payload_of(results / "explorer.html")
    assert len(data["runs"]) == len(data["scores"]) == RUNS


def test_a_changed_option_reruns_the_extractions_of_its_method(folder: Path, tmp_path: Path) -> None:
    methods = {**STUDY["settings"]["methods"], "dpcknn": {"options": {"neighbors": 3}}}
    changed = config(tmp_path, "option", settings={**STUDY["settings"], "methods": methods})
    done = call(folder, "--dry-run", "--configfile", changed)
    assert planned(done.stdout + done.stderr)["extract"] == 2
    done = call(folder, "--dry-run", "--configfile", config(folder))
    assert "Nothing to be done" in done.stdout + done.stderr


def test_what_it_cannot_do_is_one_clear_error(folder: Path, tmp_path: Path) -> None:
    done = call(
        folder, "--dry-run", "--configfile", config(tmp_path, "learned", methods=["topk", "sinkhorn"])
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 1
    assert "methods: 'sinkhorn' cannot be used untrained, as its cluster centers are parameters" in printed
    assert "Traceback" not in printed
    target = "results/small/checkpoints/digits/vit_nano/topk/0.50/0.safetensors"
    done = call(folder, "--dry-run", target, "--configfile", config(folder))
    assert done.returncode == 1
    assert "study 'small' trains no models (training: 'none')" in done.stdout + done.stderr


@pytest.mark.parametrize(
    "names", slow_after_first([["off_the_shelf"], ["off_the_shelf", "off_the_shelf_large"]])
)
def test_overlays_of_imagenet_are_planned(names: list[str], tmp_path: Path) -> None:
    files = [str(ROOT / f"workflow/studies/{name}.yaml") for name in names]
    done = call(tmp_path, "--dry-run", "--quiet", "rules", "--configfile", *files)
    jobs = planned(done.stdout + done.stderr)
    assert (jobs["prepare"], jobs["list_off_the_shelf"]) == (1, 1)
    assert jobs["extract"] == (3 if len(names) == 1 else 1) * (1 + 17 * 5)
    assert "train" not in jobs
