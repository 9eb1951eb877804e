"""What a study must not say, and what the message says about it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.study.studies import SOURCE, at, default, overlaid, refused, study
from tokred.settings import parse
from tokred.study.study import Study


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("sedes", "seeds"),
        ("training.epoch", "epochs"),
        ("settings.dataset", "datasets"),
        ("pretraining.warmup_step", "warmup_steps"),
        ("settings.datasets.digits.adaptr", "adapter"),
        ("settings.backbones.vit_nano.patchsize", "patch_size"),
        ("settings.methods.kmedoids.option", "options"),
    ],
)
def test_unknown_key(path: str, near: str) -> None:
    refused(at(path, 1), f"{path}: unknown key (did you mean {near!r}?); known: ", near)


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("settings.datasets.digits.training.epoch", "epochs"),
        ("settings.methods.topk.training.weight_dcay", "weight_decay"),
        ("settings.methods.topk.keep_rates.0_50.lrr", "lr"),
    ],
)
def test_unknown_training_key_of_a_layer(path: str, near: str) -> None:
    changes = at(path, 1)
    if "0_50" in path:
        changes = {"settings": {"methods": {"topk": {"keep_rates": {0.5: {"lrr": 1}}}}}}
    key = path.rpartition(".")[2]
    refused(changes, "training of digits/vit_nano/", f"{key}: unknown key (did you mean {near!r}?)")


def test_unknown_key_of_a_backbones_recipe() -> None:
    refused(
        at("pretraining.backbones.vit_micro.lrr", 0.1),
        "pretraining of vit_micro",
        "lrr: unknown key (did you mean 'lr'?)",
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            at("settings.backbones.vit_nano", {"image_size": 32, "patch_size": 4}),
            "settings.backbones.vit_nano: found image_size 32 and patch_size 4, expected image_size 30, "
            "as it is pretrained on digits, and a patch_size that divides it",
        ),
        (
            overlaid({"keep_rates": [0.5]}, at("settings.backbones.vit_nano.patch_size", 4)),
            "settings.backbones.vit_nano: found image_size 30 and patch_size 4",
        ),
        (
            at("pretraining.backbones.vit_nano.guided_from", 12),
            "pretraining of vit_nano: guided_from: expected less than 12, the depth, found 12",
        ),
        (
            at("pretraining.backbones.vit_nano.warmup_steps", 10000),
            "warmup_steps 10000: expected fewer than steps 10000",
        ),
    ],
)
def test_pretraining_that_cannot_be(changes: dict[str, Any], message: str) -> None:
    pretrained = {"weights": "pretrain", "image_size": 30, "patch_size": 3}
    both = overlaid({"backbones": ["vit_nano"]}, at("settings.backbones.vit_nano", pretrained))
    refused(overlaid(both, changes), message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ["topk", "dpcnn"]}, "unknown method 'dpcnn' (did you mean 'dpcknn'?); known: none, l1"),
        (
            at("settings.methods.topkk", {}),
            "settings.methods.topkk: unknown key (did you mean 'topk'?); known: none",
        ),
        ({"methods": ["none", "topk"]}, "'none' is part of every study"),
        ({"backbones": ["vit_nan"]}, "'vit_nan' is not defined in settings.backbones (did you mean 'vit_na"),
        ({"datasets": ["scene"]}, "'scene' is not defined in settings.datasets (did you mean 'scenes'?)"),
        (
            at("settings.datasets.digits.adapter", "digit"),
            "settings.datasets.digits.adapter: unknown value 'digit' (did you mean 'digits'?); known: coco, ",
        ),
        (
            at("settings.datasets.digits.options.num_trian", 3),
            "settings.datasets.digits.options.num_trian: unknown key (did you mean 'num_train'?); known: num",
        ),
        (
            at("settings.methods.dpcknn.options.neighbours", 3),
            "settings.methods.dpcknn.options.neighbours: unknown key (did you mean 'neighbors'?); known: nei",
        ),
        (
            at("settings.methods.topk.options.k", 3),
            "settings.methods.topk.options.k: unknown key; known: none",
        ),
        (
            at("settings.methods.kmedoids.options.update", "best"),
            "settings.methods.kmedoids.options.update: expected 'paper' or 'reference', found 'best'",
        ),
        (
            at("settings.datasets.pets", {"adapter": "image_folder"}),
            "settings.datasets.pets.options: missing",
        ),
        (
            at("settings.datasets.pets", {"adapter": "image_folder", "options": {"store": "pack"}}),
            "settings.datasets.pets.options.root: missing",
        ),
        (at("settings.datasets.pets", {"options": {}}), "settings.datasets.pets.adapter: missing"),
        (at("pretraining.steps", 0), "pretraining.steps: expected a number greater than 0, found 0"),
        ({"keep_rates": [0.1]}, "keep_rate 0.10 leaves 0 of 100 tokens at stage 3"),
        ({"keep_rates": [0]}, "keep_rates.0: keep_rate 0: expected a number in (0, 1]"),
        ({"keep_rates": [0.5, 1.5]}, "keep_rates.1: keep_rate 1.5: expected a number in (0, 1]"),
        ({"keep_rates": ["half"]}, "keep_rates.0: keep_rate 'half': expected a decimal number"),
        ({"keep_rates": [0.5, "0.50"]}, "keep_rates: duplicate entries: '0.50', found ['0.50', '0.50']"),
        (
            {"methods": ["topk", "l1", "topk"]},
            "methods: duplicate entries: 'topk', found ['topk', 'l1', 'topk']",
        ),
        ({"datasets": ["digits"] * 2}, "datasets: duplicate entries: 'digits', found ['digits', 'digits']"),
        ({"backbones": ["vit_nano"] * 2}, "backbones: duplicate entries: 'vit_nano', found ['vit_na"),
        ({"seeds": [1, 0, 1]}, "seeds: duplicate entries: 1, found [1, 0, 1]"),
        ({"seeds": []}, "seeds: "),
        ({"locations": [3, 12]}, "location 12 of method 'l1': expected a block from 0 to 11"),
        ({"locations": [6, 3]}, "locations [6, 3]: expected rising"),
        ({"locations": [3, 3]}, "locations [3, 3]: expected rising"),
        ({"locations": [0, 3]}, "location 0 of method 'kmedoids': expected a block from 1 to 11"),
        (at("training.warmup_epochs", 2), "warmup_epochs 2.0: expected fewer than epochs 2"),
        (at("settings.datasets.digits.training.epochs", 0.5), "epochs: "),
        (at("training.selection", "best"), "training.selection: "),
        ({"study": "a/b"}, "study: "),
        (
            overlaid(at("settings.backbones.vit_nano.patch_size", 2), {"keep_rates": [0.5]}),
            "backbones: expected the same grid of input tokens for all, found [(10, 10), (15, 15)]",
        ),
        (
            overlaid(at("settings.backbones.vit_nano.weights", "pretrain"), {"pretraining": None}),
            "settings.backbones.vit_nano.weights: 'pretrain' needs the key `pretraining`",
        ),
    ],
)
def test_refused(changes: dict[str, Any], message: str) -> None:
    refused(changes, message)


def test_block_zero_is_possible_without_kmedoids() -> None:
    assert study({"locations": [0, 3], "methods": ["topk", "tome"]}).locations == [0, 3]


def test_all_errors_at_once_and_missing_keys() -> None:
    values = default()
    del values["datasets"]
    values["seeds"] = [-1]
    with pytest.raises(ValueError, match=r"\n  datasets: missing\n  seeds\.0: .*found -1$"):
        parse(Study, values, SOURCE)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("seeds", [2**63], "seeds: 9223372036854775808: expected an integer of at most 64 bits"),
        (
            "training.epochs",
            10**30,
            "training.epochs: 1000000000000000000000000000000: expected an",
        ),
        ("evaluation_batch_size", 2**64, "expected an integer of at most 64 bits"),
        (
            "settings.datasets.digits.options.num_train",
            2**64,
            "settings.datasets.digits.options.num_train: 18446744073709551616: expected an integer",
        ),
        ("training.lr", float("inf"), "training.lr: expected a finite number"),
        ("training.weight_decay", float("nan"), "training.weight_decay: expected a finite number"),
        ("study", "n" * 101, "study: expected text of at most 100 characters"),
        ("compare_with", "../other", "compare_with: expected text that matches"),
        ("locations", list(range(127)), "locations: expected at most 126 entries"),
    ],
)
def test_what_tables_and_paths_cannot_hold(path: str, value: Any, message: str) -> None:
    refused(at(path, value), message)


def test_large_seeds_are_seeds() -> None:
    assert study(at("seeds", [2**31, 20260101123])).seeds == [2**31, 20260101123]
