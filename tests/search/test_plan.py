"""What a search tries."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from tests.search.studies import SMALL, searching, setting
from tests.study.studies import at, default, overlaid, refused
from tokred import published
from tokred.artifacts.performance_table import backbone_order
from tokred.search import plan as planning
from tokred.search.plan import Cell, plan
from tokred.study.search import SEARCHED, FirstGrid, Grid


def test_searched_settings_are_the_grid_s() -> None:
    assert tuple(Grid.model_fields) == SEARCHED


def test_grids_are_those_of_table_2() -> None:
    grid = published.hyperparameters()["grid"]
    settings = list(Grid().settings())
    assert len(settings) == 3 * 2 * 2 * 3 * 2
    assert settings[0] == {name: values[0] for name, values in grid.items() if name != "note"}
    assert settings[1] == {**settings[0], "backbone_freeze_epochs": 5}
    assert [s["lr"] for s in settings[::24]] == grid["lr"]
    assert list(FirstGrid().settings()) == [
        setting(0.001, 1024, warmup, scale, freeze)
        for warmup in (5, 20)
        for scale in (1, 0.01)
        for freeze in (0, 5)
    ]


def test_whole_numbers_are_the_same_however_they_are_written() -> None:
    names = [list(plan(searching(at("search.first.warmup_epochs", [zero])))) for zero in (0, 0.0)]
    assert names[0] == names[1]
    options = plan(searching(at("search.first.warmup_epochs", [0.0])))[Cell("digits", "topk", "0.50")]
    assert options == {"0.001_32_0_1_0": setting(0.001, 32, 0, 1, 0)}


def test_cells_and_their_trials() -> None:
    tried = plan(searching())
    first, baseline = Cell("digits", "tome", "0.50"), Cell("scenes", "none", "1.00")
    assert list(tried) == [
        Cell("digits", "topk", "0.50"),
        first,
        baseline,
        Cell("scenes", "topk", "0.50"),
        Cell("scenes", "tome", "0.50"),
    ]
    assert list(tried[first].values()) == [setting(0.001, 32, warmup, 1, 0) for warmup in (0, 0.5)]
    assert list(tried[baseline].values()) == [setting(lr, 32, 0, 1, 0) for lr in (0.01, 0.002)]
    assert tried[Cell("scenes", "tome", "0.50")] == {"first": first, "baseline": baseline}


def test_baseline_of_the_first_data_set_where_no_classifier_knows_it() -> None:
    known = [at(f"settings.backbones.{name}.pretrained_on", "digits") for name in ("vit_nano", "vit_micro")]
    tried = plan(searching(overlaid(overlaid(*known), {"datasets": ["scenes", "digits"]})))
    assert [cell.dataset for cell in tried if cell.method == "none"] == ["scenes", "digits"]


def test_methods_and_keep_rates_can_be_fewer_than_the_study_s() -> None:
    changes = {"keep_rates": [0.25, 0.5, 0.7], "search": {"methods": ["tome"], "keep_rates": [0.7]}}
    cells = plan(searching(changes))
    assert {(c.method, c.keep_rate) for c in cells} == {("tome", "0.70"), ("none", "1.00")}
    everything = plan(searching({"keep_rates": [0.25, 0.5, 0.7]}))
    rates = Counter(cell.method for cell in everything)
    assert rates == {"topk": 6, "tome": 4, "none": 1}, "ToMe cannot keep 25 %"


@pytest.mark.parametrize("count", [1, 2, 3])
def test_backbone_is_the_first_of_the_tables(count: int) -> None:
    names = ["vit_nano", "vit_micro", "vit_mini"][:count]
    mini = at("settings.backbones.vit_mini", default()["settings"]["backbones"]["vit_micro"])
    mini["settings"]["backbones"]["vit_mini"] |= {"weights": "pretrain", "label": "ViT-Mini"}
    study = searching(overlaid(mini, {"backbones": names}))
    assert planning.backbone(study) == backbone_order(study.view())[0]
    chosen = searching(overlaid(mini, {"backbones": names, "search": {"backbone": names[-1]}}))
    assert planning.backbone(chosen) == names[-1]


def test_trainings_differ_in_the_searched_fields_alone() -> None:
    study = searching()
    for cell in plan(study):
        ours = planning.training(study, cell).model_dump()
        theirs = study.training_for(planning.run_in_study(study, cell)).model_dump()
        assert {**ours, "selection": "last"} == theirs
        assert ours["selection"] == "holdout"
        assert planning.takes_last(study, cell)


def test_trials_are_no_runs_of_the_study() -> None:
    study = searching()
    trials = [planning.run_of_trials(study, cell) for cell in plan(study)]
    assert len(set(trials)) == len(trials)
    known = {run.seed_for(purpose) for run in study.runs() for purpose in ("init", "holdout")}
    assert not known & {run.seed_for(purpose) for run in trials for purpose in ("init", "holdout")}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (at("search.first.lr", []), "search.first.lr: expected at least 1 entries"),
        (at("search.first.lr", [0]), "search.first.lr.0: expected a number greater than 0"),
        (at("search.first.warmup", [1]), "search.first.warmup: unknown key (did you mean 'warmup_epochs'?)"),
        (at("search.others.lr", [1, 1.0]), "search.others: lr: duplicate entries: 1.0, found [1.0, 1.0]"),
        (at("search.select_on", "validation"), "search.select_on: expected 'holdout' or 'test'"),
    ],
)
def test_refused(changes: dict[str, Any], message: str) -> None:
    refused(overlaid(SMALL, changes), message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            at("search.backbone", "vit_micro"),
            "search.backbone: 'vit_micro' is not in the study; known: vit_nano",
        ),
        (
            at("search.methods", ["topkk"]),
            "search.methods: 'topkk' is not in the study (did you mean 'topk'?)",
        ),
        (at("search.keep_rates", [0.7]), "search.keep_rates: '0.70' is not in the study; known: 0.50"),
        (
            {"keep_rates": [0.25, 0.5], "search": {"keep_rates": [0.25]}},
            "search.keep_rates: 'tome' supports none of ['0.25']",
        ),
        (
            at("settings.datasets.scenes.adapter", "digits"),
            "search: expected a different adapter for each data set, found digits, digits",
        ),
        (
            at("search.first.warmup_epochs", [0, 2]),
            "search: training of digits/vit_nano/topk/0.50/0: invalid configuration\n"
            "  warmup_epochs 2.0: expected fewer than epochs 2",
        ),
        (
            overlaid(
                at("settings.datasets.scenes.training", {"epochs": 1}),
                at("search.first.warmup_epochs", [0, 1]),
            ),
            "search: training of scenes/vit_nano/topk/0.50/0: invalid configuration\n"
            "  warmup_epochs 1.0: expected fewer than epochs 1",
        ),
        (
            at("settings.datasets.digits.training.epochs", 0),
            "search: training of digits/vit_nano/topk/0.50/0 has 0 epochs",
        ),
    ],
)
def test_what_a_study_cannot_search(changes: dict[str, Any], message: str) -> None:
    parsed = searching(changes)
    with pytest.raises(ValueError, match=re.escape(message)):
        planning.check(parsed)


def test_a_study_that_trains_nothing_cannot_search() -> None:
    published_study = searching().model_copy(update={"scores": "published"})
    with pytest.raises(ValueError, match="search: expected a study with `scores: trained`"):
        planning.check(published_study)


def test_what_can_be_searched_passes() -> None:
    planning.check(searching())
