"""Schedules of a study's methods: which runs there are, with which numbers of tokens, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.study.studies import at, default, overlaid, refused, study
from tokred.artifacts.registry import ARTIFACTS
from tokred.run import Run
from tokred.schedules import Constant, DiffRate, Kept, Matched, Stages
from tokred.settings import parse
from tokred.study.study import Study
from tokred.study.view import View

KEY = "settings.methods.tome.schedule"


def scheduled(schedule: object, **changes: object) -> dict[str, object]:
    """Changes that give ToMe a schedule, in a study of it and Top-K."""
    return overlaid({"methods": ["tome", "topk"], **changes}, at(KEY, schedule))


def test_no_schedules_by_default() -> None:
    made = study()
    assert {made.schedule_of(run.method, run.keep_rate) for run in made.runs()} == {None}
    assert made.view().scheduled == {}


def test_a_schedule_that_follows_the_keep_rate() -> None:
    """ToMe cannot keep a quarter in the paper's stages, but it can cost as much."""
    made = study(scheduled({"kind": "matched"}))
    assert made.rates_of("tome") == ["0.25", "0.50", "0.70"]
    assert made.schedule_of("tome", "0.25") == Matched("0.25", "constant", (3, 6, 9))
    assert made.schedule_of("tome", "0.70") == Matched("0.70")
    assert made.schedule_of("topk", "0.50") is None
    assert made.schedule_of("none", "1.00") is None
    assert Run("digits", "vit_nano", "tome", "0.25", 0) in set(made.runs())


def test_matched_costs_are_those_of_the_studys_locations() -> None:
    made = study(scheduled({"kind": "matched", "shape": "rising"}, locations=[2, 5]))
    assert made.schedule_of("tome", "0.50") == Matched("0.5", "rising", (2, 5))
    made = study(scheduled({"kind": "matched", "shape": {"kind": "ratio", "keep": 0.9}, "locations": [3]}))
    assert made.schedule_of("tome", "0.50").locations == (3,)


def test_stages_of_a_methods_own() -> None:
    made = study(scheduled({"kind": "stages", "locations": [4, 8]}, keep_rates=[0.5, 0.7]))
    assert made.schedule_of("tome", "0.50") == Stages("0.5", (4, 8))
    made = study(scheduled({"kind": "stages"}, keep_rates=[0.5, 0.7]))
    assert made.schedule_of("tome", "0.50") == Stages("0.5", (3, 6, 9))


def test_schedules_by_keep_rate() -> None:
    """The method has runs at the keep rates that both have."""
    given = {0.25: {"kind": "constant", "number": 3}, "0.7": {"kind": "matched"}, 0.1: {"kind": "matched"}}
    made = study(scheduled(given))
    assert made.rates_of("tome") == ["0.25", "0.70"]
    assert made.schedule_of("tome", "0.25") == Constant(3)
    assert made.schedule_of("tome", "0.70") == Matched("0.7")
    assert made.schedule_of("tome", "0.50") is None
    assert [run.keep_rate for run in made.runs() if run.method == "tome"].count("0.50") == 0


def test_one_keep_rate_needs_no_mapping() -> None:
    made = study(scheduled({"kind": "constant", "number": 3}, keep_rates=[0.5]))
    assert made.schedule_of("tome", "0.50") == Constant(3)


def test_the_view_has_the_keep_rates_of_every_method() -> None:
    view = study(scheduled({0.25: {"kind": "constant", "number": 3}})).view()
    assert view.scheduled == {"tome": ("0.25",)}
    assert view.rates_of("tome") == ("0.25",)
    assert view.rates_of("topk") == ("0.25", "0.50", "0.70")
    stored = json.loads(json.dumps(vars(view)))
    assert View.of(stored) == view
    assert study({"methods": ["tome", "topk"]}).view().rates_of("tome") == ("0.50", "0.70")


def test_artifacts_count_the_keep_rates_of_a_method() -> None:
    """Figures of consistency over keep rates need two."""
    shown = [entry for entry in ARTIFACTS.values() if entry.keep_rates == 2 and entry.shows == ("clusters",)]
    assert shown
    rates = [0.25, 0.5]
    for schedule, possible in (({"kind": "matched"}, True), ({0.25: {"kind": "matched"}}, False)):
        view = study(scheduled(schedule, methods=["tome"], keep_rates=rates)).view()
        reasons = [entry.unavailable_reason(view) for entry in shown]
        assert any(reason is None for reason in reasons) == possible


def test_a_file_of_diffrate(tmp_path: Path) -> None:
    """Its numbers are part of the configuration from then on: the file may change or go."""
    path = tmp_path / "compression_rate.json"
    lists = {"prune_kept_num": str([64] * 12), "merge_kept_num": str([60] * 12)}
    path.write_text(json.dumps({"ViT-X": {"0.02": lists}}))
    schedule = {"kind": "diffrate_file", "file": str(path), "model": "ViT-X", "gmacs": 0.02}
    name = "settings.methods.tome.schedule"
    refused(
        scheduled({0.5: schedule}),
        f"{name}: keep rate 0.50, backbone 'vit_nano': method 'tome' takes one number of tokens per block",
    )
    refused(scheduled({0.5: {**schedule, "model": "ViT-Y"}}), f"{name}: {path}: has no model 'ViT-Y'")
    refused(scheduled({0.5: {**schedule, "file": "none.json"}}), f"{name}: file: none.json: no such file")
    from tokred.study.parts import METHOD_MODELS

    stored = METHOD_MODELS["tome"].model_validate({"schedule": {0.5: schedule}})
    assert stored.schedule == {"0.50": DiffRate((64,) * 12, (60,) * 12)}
    path.unlink()
    plain = stored.model_dump(mode="json", exclude_unset=True)
    assert METHOD_MODELS["tome"].model_validate(plain) == stored


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (
            {"kind": "constant", "number": 3},
            f"{KEY}: found one schedule for 3 keep rates, expected one for each (a mapping by keep rate), or "
            "one that follows them ('matched', 'stages')",
        ),
        (
            {"kind": "constnat"},
            f"{KEY}.kind: unknown value 'constnat' (did you mean 'constant'?); known: constant, diffrate, "
            "diffrate_file, kept, matched, ratio, stages",
        ),
        ({}, f"{KEY}.kind: missing"),
        (3, f"{KEY}: expected a mapping, found 3"),
        (
            {"kind": "matched", "keep_rate": 0.5},
            f"{KEY}.keep_rate: unknown key; known: kind, shape, locations",
        ),
        (
            {"kind": "matched", "shape": "steep"},
            f"{KEY}.shape: expected 'constant', 'rising', 'falling' or 'ratio', found 'steep'",
        ),
        (
            {"kind": "matched", "shape": {"kind": "kept", "tokens": [3]}},
            f"{KEY}: keep rate 0.25, backbone 'vit_nano': schedule: tokens: expected 12 numbers, one per "
            "block, found 1",
        ),
        (
            {"kind": "matched", "shape": {"kind": "ratio", "keep": 0}},
            f"{KEY}.shape.keep: expected a number greater than 0.0, found 0",
        ),
        (
            {"kind": "matched", "shape": {"kind": "stages", "keep_rate": 0.5}},
            f"{KEY}: keep rate 0.25, backbone 'vit_nano': schedule 'matched': method 'tome' cannot cost",
        ),
        (
            {0.5: {"kind": "constant", "number": 0}},
            f"{KEY}.0.5.number: expected a number greater than 0, found 0",
        ),
        ({0.5: {"kind": "kep"}}, f"{KEY}.0.5.kind: unknown value 'kep' (did you mean 'kept'?)"),
        (
            {0.5: {"kind": "kept", "tokens": [60, 61, *[60] * 10]}},
            f"{KEY}: keep rate 0.50, backbone 'vit_nano': schedule: 61 tokens after block 1 are more than "
            "the 60 that enter it",
        ),
        (
            {0.1: {"kind": "constant", "number": 3}},
            f"{KEY}: found the keep rates 0.10, expected some of the study's: 0.25, 0.50, 0.70",
        ),
        ({1.5: {"kind": "matched"}}, "keep_rate 1.5: expected a number in (0, 1]"),
    ],
)
def test_schedules_that_are_refused(schedule: object, message: str) -> None:
    refused(scheduled(schedule), f"  {message}" if message.startswith(KEY) else message)


def test_locations_and_budgets_of_the_stages_alone_are_checked() -> None:
    """Methods with a schedule do not act at `locations`, where patterns are stored all the same."""
    kmedoids = {"kind": "matched", "shape": "constant", "locations": [3, 6, 9]}
    changes = {
        "methods": ["kmedoids"],
        "locations": [0, 3],
        **at("settings.methods.kmedoids.schedule", kmedoids),
    }
    assert study(changes).view().locations == (0, 3)
    refused({"methods": ["kmedoids"], "locations": [0, 3]}, "location 0 of method 'kmedoids'")
    refused({**changes, "locations": [3, 12]}, "location 12 of method 'none': expected a block from 0 to 11")
    small = {"keep_rates": [0.1], "methods": ["topk"]}
    refused(small, "keep_rate 0.10 leaves 0 of")
    made = study({**small, **at("settings.methods.topk.schedule", {"kind": "kept", "tokens": [9] * 12})})
    assert made.schedule_of("topk", "0.10") == Kept((9,) * 12)


def test_an_overlay_replaces_a_schedule_by_null() -> None:
    values = overlaid(default(), scheduled({"kind": "matched"}))
    made = parse(Study, overlaid(values, at(KEY, None)), "study")
    assert made.schedule_of("tome", "0.50") is None


@pytest.mark.slow
def test_checking_schedules_imports_no_torch() -> None:
    code = (
        "import sys\n"
        "from tests.study.test_schedules import scheduled, study\n"
        "made = study(scheduled({'kind': 'matched'}))\n"
        "assert len(list(made.runs())) > 10\n"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
