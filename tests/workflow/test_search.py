"""The search of hyperparameters through the real Snakemake, and a study that uses its result."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tests.search.studies import SMALL
from tests.study.studies import at, overlaid
from tests.typical import slow_rows_after_first
from tests.workflow.conftest import ROOT, call, overlay, planned
from tokred.tables import schemas

SIZE = {"options": {"num_train": 64, "num_test": 16}}
DATASETS = {"settings": {"datasets": {"digits": SIZE, "scenes": SIZE}}}
#: One epoch of 64 images, a grid of two settings a data set.
TINY = {**SMALL, **DATASETS, "study": "tiny", "training": {"epochs": 1, "warmup_epochs": 0}}
FOUND = "results/tiny/search/hyperparameters.yaml"
JOBS = {"try_setting": 2 * 2 + 2 + 2 * 2, "choose_setting": 3, "collect_settings": 1}


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which a small search has run."""
    folder = tmp_path_factory.mktemp("search")
    done = call(folder, "search", "--configfile", overlay(folder, "tiny", TINY))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    assert planned(done.stdout + done.stderr) == {**JOBS, "prepare": 2, "search": 1}
    return folder


def again(folder: Path, changes: dict[str, Any]) -> dict[str, int]:
    """Jobs that a changed search would run."""
    config = overlay(folder, "changed", overlaid(TINY, changes))
    done = call(folder, "--dry-run", "search", "--configfile", config)
    assert done.returncode == 0, done.stderr[-3000:]
    return planned(done.stdout + done.stderr)


def test_scores_are_kept_and_nothing_else(searched: Path) -> None:
    trials = schemas.read(searched / "results/tiny/search/trials.parquet", schemas.TRIALS)
    assert len(trials) == JOBS["try_setting"]
    assert trials["score"].between(0, 100).all()
    assert list(searched.rglob("*.safetensors")) == []
    histories = list((searched / "results/tiny/search/history").rglob("*.parquet"))
    assert len(histories) == JOBS["try_setting"]


def test_what_is_chosen_is_the_best(searched: Path) -> None:
    trials = schemas.read(searched / "results/tiny/search/trials.parquet", schemas.TRIALS)
    for model, rows in trials.groupby(["dataset", "backbone", "method", "keep_rate"]):
        best = rows[rows["score"] == rows["score"].max()].nsmallest(1, "place")
        assert rows[rows["chosen"]]["trial"].tolist() == best["trial"].tolist(), model


def test_every_rule_of_the_search_ran(searched: Path) -> None:
    declared = re.findall(r"^rule (\w+):", (ROOT / "rules/search.smk").read_text(), re.M)
    logs = {path.name.removesuffix(".log") for path in (searched / "results/tiny/logs").iterdir()}
    assert logs == {*declared, "prepare"} - {"search"}


def test_second_search_does_nothing(searched: Path) -> None:
    assert again(searched, {}) == {}
    (searched / "results/tiny/search/chosen/digits/vit_nano/topk/0.50.json").touch()
    assert again(searched, {}) == {}, "the same choice again is no reason to train"


@pytest.mark.parametrize(
    ("changes", "trials", "choices"),
    slow_rows_after_first(
        [
            # A model's new trial, and a trial on scenes of whatever will be chosen among three.
            (at("search.first.warmup_epochs", [0.25, 0, 0.5]), 2 + 2, 2),
            (at("search.others.lr", [0.01, 0.002, 0.003]), 1 + 2, 1),
            # Another order decides otherwise between equals.
            (at("search.first.warmup_epochs", [0.5, 0]), 2, 2),
            (at("settings.methods.topk.training", {"weight_decay": 0.1}), 2 + 2, 1),
            (at("search.select_on", "test"), 10, 3),
            (at("training.lr", 0.5), 0, 0),
        ]
    ),
)
def test_a_change_reruns_what_depends_on_it(
    changes: dict[str, Any], trials: int, choices: int, searched: Path
) -> None:
    jobs = again(searched, changes)
    assert (jobs.get("try_setting", 0), jobs.get("choose_setting", 0)) == (trials, choices)


def test_a_study_uses_what_was_found(searched: Path) -> None:
    # The study's own settings would override the file: it must have none.
    bare = {"settings": {"datasets": {name: {"training": None} for name in ("digits", "scenes")}}}
    tuned = overlaid(DATASETS, bare)
    axes = {name: SMALL[name] for name in ("backbones", "methods", "keep_rates")}
    values = {**tuned, **axes, "study": "tuned", "training": None, "hyperparameters": FOUND}
    config = overlay(searched, "tuned", values)
    everything = call(searched, "--dry-run", "--configfile", config)
    assert planned(everything.stdout + everything.stderr)["train"] == 2 * 3
    names = [f"results/tuned/tables/table{number}.csv" for number in (2, 4, 5, 6)]
    done = call(searched, *names, "--configfile", config)
    assert done.returncode == 0, done.stderr[-3000:]
    grid, selected, unreduced, sources = (
        pd.read_csv(searched / name, index_col=0, dtype=str) for name in names
    )
    found = yaml.safe_load((searched / FOUND).read_text())
    assert grid["grid values"]["Learning rate (LR)"] == "0.01, 0.002, 0.001"
    for name, label in (("topk", "Top-K"), ("tome", "ToMe")):
        chosen = found["imagenet_selected"][name]["0.50"]
        assert selected.loc[label].tolist() == [f"{chosen['warmup_epochs']:g}", "1", "0"]
        letter = {"imagenet": "I", "deit": "D"}[found["selected_source"][name]["scenes"]["0.50"]]
        assert sources.loc[label].tolist() == [letter]
    assert unreduced.loc["Scenes"].tolist()[0] == f"{found['baseline_deit']['scenes']['lr']:g}"
    assert unreduced.index.tolist() == ["Scenes"]
    (searched / FOUND).write_text(
        (searched / FOUND).read_text().replace("searched: digits", "searched: digits ")
    )
    after = call(searched, "--dry-run", *names, "--configfile", config)
    assert planned(after.stdout + after.stderr).get("list_settings") == 1


def test_the_paper_s_search(tmp_path: Path) -> None:
    done = call(tmp_path, "--dry-run", "search", "--configfile", str(ROOT / "workflow/studies/paper.yaml"))
    assert done.returncode == 0, done.stderr[-3000:]
    models = 13 * 4 - 1  # ToMe cannot keep 25 %
    on_imagenet, unreduced, on_others = models * 2 * 2 * 2, 3 * (3 * 2 * 2 * 3 * 2), 3 * models * 2
    assert planned(done.stdout + done.stderr) == {
        "try_setting": on_imagenet + unreduced + on_others,
        "choose_setting": models + 3,
        "collect_settings": 1,
        "prepare": 4 * 2,
        "search": 1,
    }
    assert on_imagenet + unreduced + on_others == 930


@pytest.mark.parametrize(
    ("changes", "target", "message"),
    [
        ({"search": None}, "search", "study 'tiny' has no key `search`"),
        (at("search.backbone", "vit_micro"), "search", "search.backbone: 'vit_micro' is not in the study"),
        (
            {},
            "results/tiny/search/history/digits/vit_nano/topk/0.50/0.3_32_0_1_0.parquet",
            "the search of study 'tiny' has no trial digits/vit_nano/topk/0.50/0.3_32_0_1_0",
        ),
        (
            {},
            "results/tiny/search/chosen/digits/vit_nano/l1/0.50.json",
            "the search of study 'tiny' has no model digits/vit_nano/l1/0.50",
        ),
    ],
)
def test_what_cannot_be_searched_says_why(
    changes: dict[str, Any], target: str, message: str, tmp_path: Path
) -> None:
    config = overlay(tmp_path, "tiny", overlaid(TINY, changes))
    done = call(tmp_path, "--dry-run", target, "--configfile", config)
    assert done.returncode == 1
    assert message in done.stdout + done.stderr
