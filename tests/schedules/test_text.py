"""Schedules as text: every form, and what is wrong with others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tokred.schedules import Constant, DiffRate, Kept, Matched, Ratio, Schedule, Stages
from tokred.schedules.text import FORMS, WITH_KEEP_RATE, kind_of, parse_schedule


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("stages", Stages(keep_rate="0.70")),
        ("stages:4,8", Stages(keep_rate="0.70", locations=(4, 8))),
        ("matched", Matched(keep_rate="0.70")),
        ("matched:falling", Matched(keep_rate="0.70", shape="falling")),
        ("constant:13", Constant(number=13)),
        ("constant:13:-1", Constant(number=13, inflect=-1)),
        ("ratio:.9", Ratio(keep=0.9)),
        ("kept:150,100", Kept(tokens=(150, 100))),
    ],
)
def test_forms(text: str, schedule: Schedule) -> None:
    rate = "0.70" if kind_of(text) in WITH_KEEP_RATE else None
    assert parse_schedule(text, rate) == schedule
    assert kind_of(text) in FORMS


def test_lists_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a:b.json"  # a path may have a colon
    lists = {"prune_kept_num": [190, 180], "merge_kept_num": [185, 170]}
    path.write_text(json.dumps({"ViT": {"3.1": lists}}))
    found = parse_schedule(f"diffrate:{path}:ViT:3.1", None)
    assert isinstance(found, DiffRate)
    assert (found.prune, found.merge) == ((190, 180), (185, 170))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stage", r"unknown schedule 'stage' \(did you mean 'stages'\?\); known: stages, matched, "),
        (
            "stages:a",
            r"schedule 'stages:a': expected stages or stages:BLOCK,.* \(found 'a', expected a whole",
        ),
        ("matched:flat", r"expected matched:constant, .* \(unknown shape 'flat'"),
        ("constant", r"expected constant:NUMBER or constant:NUMBER:SLOPE \(found ''"),
        ("constant:3:2", r"expected constant:NUMBER.* at most 1.0, found 2.0"),
        ("ratio:x", r"expected ratio:KEEP \(could not convert"),
        ("kept:", r"expected kept:NUMBER,NUMBER,\.\.\. \(one number per block\) \(found ''"),
        ("diffrate:file", r"expected diffrate:FILE:MODEL:GMACS \(found 'file'\)"),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_schedule(text, "0.70")
