"""`tokred.reduce` refuses what cannot be done, and says what can; budgets; identities."""

from __future__ import annotations

import doctest
import subprocess
import sys

import pytest
import timm
from torch import nn

import tokred
from tests.small_models import small_vit
from tokred.methods import registry
from tokred.methods.registry import METHODS, PAPER, Family
from tokred.run import Run, canonical_rate
from tokred.schedules.budget import token_budget


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(0.25, [49, 12, 3]), (0.5, [98, 49, 24]), (0.7, [137, 96, 67]), (0.9, [176, 158, 142])],
)
def test_budgets_of_the_paper(rate: float, expected: list[int]) -> None:
    assert [token_budget(196, rate, stage) for stage in (1, 2, 3)] == expected
    assert token_budget(10, 0.7, 1) == 7


@pytest.mark.parametrize(
    ("given", "expected"), [(0.5, "0.50"), ("0.50", "0.50"), (".7", "0.70"), (1, "1.00"), (0.125, "0.125")]
)
def test_canonical_rates(given: float | str, expected: str) -> None:
    assert canonical_rate(given) == expected


def test_seeds_tell_runs_and_purposes_apart() -> None:
    run = Run("digits", "vit", "topk", "0.50", 0)
    others = [Run("digits", "vit", "topk", "0.50", 1), Run("digits", "vit", "evit", "0.50", 0)]
    seeds = [run.seed_for("init"), run.seed_for("epoch", 0), run.seed_for("epoch", 1)]
    seeds += [other.seed_for("init") for other in others]
    assert len(set(seeds)) == 5
    assert run.seed_for("init") == 761932187670753140
    with pytest.raises(ValueError, match=r"'0.5'.*expected '0.50'"):
        Run("digits", "vit", "topk", "0.5", 0)


WRONG = {
    "unknown method": (("topkk", 0.5), {}, r"'topkk' \(did you mean 'topk'\?\); known: none, l1"),
    "unknown option": (
        ("kmedoids", 0.5),
        {"iteration": 2},
        r"^options of method 'kmedoids': .*\n  iteration: unknown key \(did you mean 'iterations'\?\)",
    ),
    "option of another method": (("topk", 0.5), {"eps": 2}, "'topk': .*\n  eps: unknown key; known: none"),
    "option out of range": (
        ("kmedoids", 0.5),
        {"iterations": 0},
        "\n  iterations: expected a number greater than 0, found 0",
    ),
    "option of a wrong kind": (
        ("kmedoids", 0.5),
        {"update": "both"},
        "update: expected 'paper' or 'reference', found 'both'",
    ),
    "rate 0": (("topk", 0.0), {}, r"keep_rate 0.0: expected a number in \(0, 1\]"),
    "rate above 1": (("topk", 1.2), {}, r"keep_rate 1.2: expected a number in \(0, 1\]"),
    "no number": (("topk", "half"), {}, "keep_rate 'half': expected a decimal number"),
    "ToMe below a half": (("tome", 0.4), {}, "'tome' cannot keep less than 0.5.*got keep_rate 0.40"),
    "nothing left": (("topk", 0.2), {}, "leaves 0 of 64 tokens at stage 3"),
    "location too deep": (("topk", 0.5), {"locations": (3, 12)}, "location 12.*from 0 to 11"),
    "locations unsorted": (("topk", 0.5), {"locations": (6, 3)}, r"locations \[6, 3\]: expected rising"),
    "location twice": (("topk", 0.5), {"locations": (3, 3)}, r"locations \[3, 3\]"),
    "no location": (("topk", 0.5), {"locations": ()}, r"locations \[\]"),
    "no block before": (("kmedoids", 0.5), {"locations": (0, 3)}, "location 0.*from 1 to 11"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments(case: str) -> None:
    arguments, keywords, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        tokred.reduce(small_vit(), *arguments, **keywords)


def test_models_that_cannot_be_reduced() -> None:
    with pytest.raises(ValueError, match=r"expected an isotropic Vision Transformer of timm .*, got Linear"):
        tokred.reduce(nn.Linear(2, 2), "topk", 0.5)
    with pytest.raises(ValueError, match="already reduced"):
        tokred.reduce(tokred.reduce(small_vit(), "topk", 0.5), "topk", 0.5)
    with pytest.raises(ValueError, match="patch_drop_rate"):
        tokred.reduce(small_vit(patch_drop_rate=0.1), "topk", 0.5)

    class Unknown(timm.models.vision_transformer.Block):
        """A block that timm does not have."""

    with pytest.raises(ValueError, match="block 0 is a Unknown with Attention; possible: the blocks"):
        tokred.reduce(small_vit(block_fn=Unknown), "topk", 0.5)
    with pytest.raises(ValueError, match="global_pool 'max'"):
        tokred.reduce(small_vit(global_pool="max"), "ats", 0.5)


def test_methods_are_listed() -> None:
    assert tokred.list_methods() == list(METHODS)
    assert tokred.list_methods("l?") == ["l1", "l2"]
    assert tokred.list_methods("*o*", family="soft merging") == ["sinkhorn"]
    assert tokred.list_methods(family=Family.DYNAMIC) == ["ats"]
    centers = tokred.list_methods(kept=True, clusters=True)
    assert [name for name in centers if name in PAPER] == ["kmedoids", "dpcknn"]
    means = tokred.list_methods(clusters=True, kept=False)
    assert [name for name in means if name in PAPER] == ["tome", "sit", "patchmerger", "sinkhorn"]
    with pytest.raises(ValueError, match=r"unknown family 'soft mergin' \(did you mean 'soft merging'\?\)"):
        tokred.list_methods(family="soft mergin")


def test_examples_of_listing_methods() -> None:
    assert doctest.testmod(registry) == (0, 4)


def test_methods_is_a_package() -> None:
    import tokred.methods

    assert not callable(tokred.methods)
    assert tokred.methods.registry.get("kmedoids").options().model_dump() == {
        "iterations": 3,
        "update": "reference",
    }


LIGHT = [
    "tokred",
    "tokred.study",
    "tokred.comparison.job",
    "tokred.comparison.features",
    "tokred.comparison.proxies",
]
LIGHT += [
    "tokred.comparison.keep_rates",
    "tokred.artifacts.render",
    "tokred.artifacts.proxy_grid",
    "tokred.orchestration.job_runner",
]


@pytest.mark.slow
@pytest.mark.parametrize("module", LIGHT)
def test_comparing_and_drawing_load_no_torch(module: str) -> None:
    code = f"import sys, {module}; print('torch' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "False"
