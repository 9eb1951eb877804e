"""Schedules that cannot be followed: one line that says what was found and what is possible."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import TypeAdapter

import tokred
from tests.schedules.shapes import BOTH, DEIT, PAIRS
from tests.small_models import small_vit
from tokred import schedules
from tokred.schedules import AnySchedule, Constant, DiffRate, Kept, Limits, Ratio, Schedule, Stages

NEXT = Limits("next", first_block=1)
FULL = (197,) * 12
UNUSABLE: dict[str, tuple[Schedule, Limits, str]] = {
    "a list that grows": (
        Kept((190, 191, *(150,) * 10)),
        PAIRS,
        "schedule: 191 tokens after block 1 are more than the 190 that enter it",
    ),
    "more than the model has": (
        Kept((197,) * 12),
        PAIRS,
        "schedule: 197 tokens after block 0 are more than the 196 that enter it",
    ),
    "a short list": (
        Kept((190,) * 11),
        PAIRS,
        "schedule: tokens: expected 12 numbers, one per block, found 11",
    ),
    "a long list": (
        Kept((190,) * 13),
        PAIRS,
        "schedule: tokens: expected 12 numbers, one per block, found 13",
    ),
    "more than half of a list": (
        Kept((196, 97, *(90,) * 10)),
        PAIRS,
        "schedule: block 1 leaves 97 of 196 tokens, and method 'pairs' must keep at least 98",
    ),
    "more than half by a ratio": (
        Ratio(0.4),
        PAIRS,
        "schedule: keep 0.4 removes 117 of 196 tokens in block 0, and method 'pairs' must keep at least 98",
    ),
    "no token left": (
        Ratio(0.003, count_cls=True),
        Limits("any"),
        "schedule: keep 0.003 removes 196 of 196 tokens in block 0, and method 'any' must keep at least 1",
    ),
    "the first block of a method that needs the one before": (
        Kept((190,) * 12),
        NEXT,
        "schedule: tokens are removed in block 0, and method 'next' can do so from block 1 on",
    ),
    "a block that the method cannot use": (
        Constant(8, blocks=(0, 3)),
        NEXT,
        "location 0 of method 'next': expected a block from 1 to 11",
    ),
    "a block that is none": (
        Ratio(0.9, blocks=(3, 12)),
        PAIRS,
        "location 12 of method 'pairs': expected a block from 0 to 11",
    ),
    "blocks that fall": (
        Constant(8, blocks=(6, 3)),
        PAIRS,
        "locations [6, 3]: expected rising, different block numbers",
    ),
    "no blocks": (Constant(8, blocks=()), PAIRS, "locations []: expected rising, different block numbers"),
    "stages below a half": (
        Stages("0.4"),
        PAIRS,
        "method 'pairs' cannot keep less than 0.5 of the tokens, got keep_rate 0.40",
    ),
    "stages without tokens": (
        Stages("0.1"),
        Limits("any"),
        "keep_rate 0.10 leaves 0 of 196 tokens at stage 3: expected P * r**s >= 1 (P = 196, r = 0.10, s = 3)",
    ),
    "two numbers for a method that takes one": (
        DiffRate(FULL, FULL),
        PAIRS,
        "method 'pairs' takes one number of tokens per block, and schedule 'diffrate' has two: expected "
        "another kind, such as 'kept'",
    ),
    "a short list of DiffRate": (
        DiffRate(FULL, FULL[1:]),
        BOTH,
        "schedule: merge: expected 12 numbers, one per block, found 11",
    ),
    "lists for more tokens": (
        DiffRate((257, *FULL[1:]), FULL),
        BOTH,
        "schedule: prune: found 257 tokens, expected at most 197, which the model has with CLS: "
        "the lists are those of another model",
    ),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_schedules_that_cannot_be_followed(case: str) -> None:
    schedule, limits, message = UNUSABLE[case]
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        schedule.budgets(DEIT["small"], limits)


WRONG: dict[str, tuple[str, dict[str, object], str]] = {
    "no number": ("Constant", {}, "number: missing"),
    "zero": ("Constant", {"number": 0}, "number: expected a number greater than 0, found 0"),
    "a fraction": ("Constant", {"number": 1.5}, "number: expected an integer, found 1.5"),
    "too steep": (
        "Constant",
        {"number": 8, "inflect": 2},
        "inflect: expected a number of at most 1.0, found 2",
    ),
    "a misspelled key": (
        "Constant",
        {"number": 8, "inflects": 1},
        "inflects: unknown key (did you mean 'inflect'?); known: kind, number, inflect, blocks",
    ),
    "a rate above one": (
        "Stages",
        {"keep_rate": 1.5},
        "keep_rate: keep_rate 1.5: expected a number in (0, 1]",
    ),
    "a ratio of zero": ("Ratio", {"keep": 0}, "keep: expected a number greater than 0.0, found 0"),
    "an empty list": ("Kept", {"tokens": []}, "tokens: expected at least 1 entries, found []"),
    "zero tokens": ("Kept", {"tokens": [3, 0]}, "tokens.1: expected a number greater than 0, found 0"),
    "CLS alone": (
        "DiffRate",
        {"prune": [197, 1], "merge": [197, 1]},
        "prune: 1 in block 1 leaves CLS alone: expected 2 or more",
    ),
    "CLS removed": (
        "DiffRate",
        {"prune": [197, 3], "merge": [197, 0]},
        "merge.1: expected a number greater than 0, found 0",
    ),
    "two mistakes": (
        "Constant",
        {"number": 0, "inflect": -2},
        "number: expected a number greater than 0, found 0; "
        "inflect: expected a number of at least -1.0, found -2",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_values(case: str) -> None:
    name, values, message = WRONG[case]
    with pytest.raises(ValueError, match=f"^{re.escape(f'schedule {name}: {message}')}$"):
        getattr(schedules, name)(**values)


def test_fields_by_position() -> None:
    assert Constant(13) == Constant(number=13, inflect=0, blocks=None)
    assert Constant(13, -1, (3, 6)) == Constant(number=13, inflect=-1, blocks=(3, 6))
    assert Constant(13, blocks=[3]).blocks == (3,)
    assert Stages(0.5).keep_rate == "0.50"
    assert hash(Constant(13)) == hash(Constant(13))
    with pytest.raises(TypeError, match="Kept takes 1 values, got 2"):
        Kept(3, 4)
    with pytest.raises(TypeError, match="Constant got two values for number"):
        Constant(13, number=13)


def test_schedules_are_a_part_of_the_package() -> None:
    assert tokred.__getattr__("schedules") is schedules
    assert "schedules" in tokred.__all__


def test_unknown_kind() -> None:
    parse = TypeAdapter(AnySchedule).validate_python
    assert parse({"kind": "constant", "number": 13}) == Constant(13)
    with pytest.raises(ValueError, match="Input tag 'constnat'"):
        parse({"kind": "constnat", "number": 13})


@pytest.mark.parametrize("kind", ["stages", "constant", "ratio", "kept", "diffrate", "matched"])
def test_values_of_a_configuration(kind: str) -> None:
    """A schedule as JSON is the same schedule."""
    made: dict[str, Schedule] = {
        "stages": Stages("0.7", (2, 5)),
        "constant": Constant(8, 0.3, (1, 2)),
        "ratio": Ratio(0.9, count_cls=True),
        "kept": Kept((9, 8, 7)),
        "diffrate": DiffRate((9, 8), (8, 7)),
        "matched": schedules.Matched("0.5", Kept((9, 8, 7))),
    }
    stored = made[kind].model_dump(mode="json")
    assert stored["kind"] == kind
    assert TypeAdapter(AnySchedule).validate_python(stored) == made[kind]


def test_schedule_or_keep_rate() -> None:
    for other in ({"keep_rate": 0.5}, {"locations": (3, 6)}):
        with pytest.raises(ValueError, match=r"^expected either schedule, or keep_rate and locations$"):
            tokred.reduce(small_vit(), "tome", schedule=Constant(3), **other)


#: A file in DiffRate's format; the numbers are made up.
FILE = """{"ViT-X-DeiT": {
    "2.9": {"prune_kept_num": "[65,40,20]", "merge_kept_num": "[60, 30, 10]"},
    "10.0": {"prune_kept_num": [65, 64, 63], "merge_kept_num": [62, 61, 60]},
    "one": {"prune_kept_num": "None", "merge_kept_num": "[60, 30, 10]"},
    "two": {"prune_kept_num": "[65, 40, 2.5]", "merge_kept_num": "[60, 30, 10]"},
    "three": {"prune_kept_num": "__import__('os').abort()", "merge_kept_num": "[60, 30, 10]"},
    "four": {"prune": "[65, 40, 20]", "merge_kept_num": "[60, 30, 10]"},
    "five": {"prune_kept_num": "[65, 40, 20]", "merge_kept_num": "[60, 30, 1]"},
    "six": [65, 40, 20]
}}"""


def test_file_of_diffrate(tmp_path: Path) -> None:
    path = tmp_path / "compression_rate.json"
    path.write_text(FILE)
    expected = DiffRate((65, 40, 20), (60, 30, 10))
    for gmacs in (2.9, "2.9", "2.90"):
        assert DiffRate.from_file(path, "ViT-X-DeiT", gmacs) == expected
        assert schedules.DiffRateFile(str(path), "ViT-X-DeiT", gmacs).read() == expected
    assert DiffRate.from_file(path, "ViT-X-DeiT", 10) == DiffRate((65, 64, 63), (62, 61, 60))
    in_three_blocks = schedules.Shape(64, 1, 48, 24, 96, 3, 5)
    by_file = schedules.DiffRateFile(str(path), "ViT-X-DeiT", 2.9)
    assert by_file.budgets(in_three_blocks, BOTH) == expected.budgets(in_three_blocks, BOTH)


@pytest.mark.parametrize(
    ("model", "gmacs", "message"),
    [
        (
            "ViT-S-DeiT",
            2.9,
            ": has no model 'ViT-S-DeiT' (did you mean 'ViT-X-DeiT'?); known: ViT-X-DeiT",
        ),
        (
            "ViT-X-DeiT",
            3.1,
            ": model 'ViT-X-DeiT': has no cost (GMACs) '3.1'; "
            "known: 2.9, 10.0, one, two, three, four, five, six",
        ),
        (
            "ViT-X-DeiT",
            "one",
            ": model 'ViT-X-DeiT', cost one: prune_kept_num: expected a list of numbers of tokens, "
            "found 'None'",
        ),
        (
            "ViT-X-DeiT",
            "two",
            ": model 'ViT-X-DeiT', cost two: prune_kept_num: expected a list of numbers of tokens, "
            "found '[65, 40, 2.5]'",
        ),
        (
            "ViT-X-DeiT",
            "three",
            ": model 'ViT-X-DeiT', cost three: prune_kept_num: expected a list of numbers of tokens, "
            "found \"__import__('os').abort()\"",
        ),
        (
            "ViT-X-DeiT",
            "four",
            ": model 'ViT-X-DeiT', cost four: expected the keys prune_kept_num, merge_kept_num, "
            "found prune, merge_kept_num",
        ),
        (
            "ViT-X-DeiT",
            "five",
            ": model 'ViT-X-DeiT', cost five: schedule DiffRate: merge: 1 in block 2 leaves CLS alone: "
            "expected 2 or more",
        ),
        (
            "ViT-X-DeiT",
            "six",
            ": model 'ViT-X-DeiT': cost (GMACs) 'six': expected a JSON object, found [65, 40, 20]",
        ),
    ],
)
def test_wrong_entries_of_a_file(tmp_path: Path, model: str, gmacs: float | str, message: str) -> None:
    path = tmp_path / "compression_rate.json"
    path.write_text(FILE)
    with pytest.raises(ValueError, match=f"^{re.escape(f'{path}{message}')}$"):
        DiffRate.from_file(path, model, gmacs)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FILE[:40], "is not JSON .*; expected DiffRate's numbers of tokens, by model and cost"),
        ("[1, 2]", "found a JSON list, expected DiffRate's numbers of tokens, by model and cost"),
        ('{"ViT-S-DeiT": 3}', "model 'ViT-S-DeiT': expected a JSON object, found 3"),
    ],
)
def test_damaged_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "compression_rate.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        DiffRate.from_file(path, "ViT-S-DeiT", 2.9)
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        DiffRate.from_file(tmp_path / "none.json", "ViT-S-DeiT", 2.9)
