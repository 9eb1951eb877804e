"""Tables 3 to 6, cell by cell, against the paper's text."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tokred import published
from tokred.methods.registry import PAPER
from tokred.settings import Training
from tokred.study.hyperparameters import settings_from, training_for

RATES = ("0.25", "0.50", "0.70", "0.90")
#: Table 4 as printed: warm-up epochs, learning rate scale and freeze epochs of the backbone, by keep rate.
TABLE4 = """
l1          5 1 0      5 0.01 5   5 0.01 5   5 0.01 5
l2          5 1 0      5 0.01 5   5 0.01 5   5 0.01 5
linf        5 1 0      5 0.01 5   5 0.01 5   5 0.01 5
topk        5 1 0      5 0.01 5   5 0.01 5   20 1 0
evit        5 1 0      5 0.01 5   5 0.01 5   20 1 0
dynamicvit  20 0.01 5  5 0.01 5   20 0.01 5  20 0.01 5
ats         5 1 0      5 0.01 5   20 0.01 5  5 0.01 5
tome        - - -      5 0.01 5   5 0.01 5   5 0.01 5
kmedoids    5 1 0      5 0.01 5   20 0.01 5  20 1 0
dpcknn      5 0.01 5   20 0.01 5  5 0.01 5   5 0.01 5
sit         5 0.01 5   5 0.01 5   5 0.01 5   20 0.01 5
patchmerger 5 0.01 5   5 0.01 5   5 0.01 5   5 0.01 5
sinkhorn    5 1 0      5 1 0      5 1 0      5 1 0
"""
#: Table 6 as printed: NABirds, COCO, NUS-WIDE at the four keep rates.
TABLE6 = """
l1          IDDD DDDD DDDD
l2          IDDD DDDD DDDD
linf        IDDD DDDD DDDD
topk        DDDD DDDD DDDD
evit        DDDD DDDD DDDD
dynamicvit  IDDD IIDD IDDD
ats         IDDD DDDD DDDD
tome        -DDD -DDD -DDD
kmedoids    DDDD DDDD DDDD
dpcknn      DDDD DDDD DDDD
sit         DDDD DDDD IIII
patchmerger DDDD DDDD DDDD
sinkhorn    IIII IIII IIII
"""
#: Table 5: lr, its normalisation, warm-up epochs, backbone's scale, frozen epochs.
TABLE5 = {
    "nabirds": (0.001, 1024, 5, 0.1, 5),
    "coco": (0.0001, 512, 5, 1, 0),
    "nuswide": (0.0001, 512, 5, 1, 0),
}
SEARCHED = ("lr", "lr_normalizer", "warmup_epochs", "backbone_lr_scale", "backbone_freeze_epochs")
COMMON = {"weight_decay": 0.05, "drop_path": 0.1, "repeats": 3, "precision": "float16"}
RANDAUGMENT = "rand-m9-mstd0.5-inc1"
MULTI = {
    "epochs": 40,
    "batch_size": 512,
    "ema_decay": 0.9997,
    "asl_gamma_neg": 4,
    "asl_clip": 0.05,
    "asl_micro_batch": 256,
    "label_smoothing": 0,
    "crop": "whole",
    "cutout": 0.5,
    "randaugment": RANDAUGMENT,
}
#: Table 3.
TABLE3 = {
    "imagenet": {
        "epochs": 30,
        "batch_size": 1024,
        "ema_decay": 0.9999,
        "label_smoothing": 0.1,
        "crop": "random",
        "flip": 0.5,
        "randaugment": RANDAUGMENT,
        "erasing": 0.25,
        "mixup": 0.8,
        "cutmix": 1.0,
    },
    "nabirds": {
        "epochs": 50,
        "batch_size": 1024,
        "ema_decay": 0.9999,
        "label_smoothing": 0,
        "crop": "random",
        "flip": 0.5,
    },
    "coco": MULTI,
    "nuswide": MULTI,
}


def cells() -> list[tuple[str, str, str, dict[str, object] | None]]:
    """Data set, method, keep rate, and all that is expected of the run; None for empty cells."""
    table4, found = {}, []
    for line in TABLE4.strip().splitlines():
        method, *numbers = line.split()
        for index, rate in enumerate(RATES):
            three = numbers[3 * index : 3 * index + 3]
            table4[method, rate] = None if "-" in three else (0.001, 1024, *map(float, three))
            found.append(("imagenet", method, rate, table4[method, rate]))
    for line in TABLE6.strip().splitlines():
        method, *groups = line.split()
        for dataset, letters in zip(TABLE5, groups, strict=True):
            for rate, letter in zip(RATES, letters, strict=True):
                five = {"I": table4[method, rate], "D": TABLE5[dataset], "-": None}[letter]
                found.append((dataset, method, rate, five))
    return [(*key, None if five is None else dict(zip(SEARCHED, five, strict=True))) for *key, five in found]


@pytest.mark.parametrize(("dataset", "method", "rate", "searched"), cells())
def test_every_cell(dataset: str, method: str, rate: str, searched: dict[str, object] | None) -> None:
    if searched is None:
        with pytest.raises(ValueError, match=f"no entry for method '{method}' at keep rate 0.25"):
            training_for(dataset, method, rate)
        return
    found = training_for(dataset, method, rate)
    assert found == {**COMMON, **TABLE3[dataset], **searched}
    training = Training(**found)
    peak = training.lr * training.batch_size / training.lr_normalizer
    expected = {"imagenet": 0.001, "nabirds": 0.001}.get(
        dataset, 0.0005 if searched["lr"] == 0.001 else 0.0001
    )
    assert peak == pytest.approx(expected)


def test_cells_are_all() -> None:
    assert len(cells()) == 4 * 13 * 4
    assert {method for _, method, _, _ in cells()} == set(PAPER)


@pytest.mark.parametrize("dataset", TABLE5)
def test_unreduced_model(dataset: str) -> None:
    expected = {**COMMON, **TABLE3[dataset], **dict(zip(SEARCHED, TABLE5[dataset], strict=True))}
    assert training_for(dataset, "none", "1.00") == expected


def test_unreduced_model_of_imagenet_is_the_pretrained_one() -> None:
    assert Training(**training_for("imagenet", "none", "1.00")).epochs == 0


def test_layers() -> None:
    assert settings_from("own", "digits", "topk", "0.60") == {}
    assert settings_from("published", "coco", "sit", "0.7") == training_for("coco", "sit", "0.70")


def test_settings_of_a_search(tmp_path: Path) -> None:
    tables = yaml.safe_load(yaml.safe_dump(published.hyperparameters()))
    tables["imagenet_selected"]["topk"]["0.6"] = {"warmup_epochs": 7}
    (tmp_path / "found.yaml").write_text(yaml.safe_dump(tables))
    found = settings_from(str(tmp_path / "found.yaml"), "imagenet", "topk", "0.60")
    assert (found["warmup_epochs"], found["lr"], found["epochs"]) == (7, 0.001, 30)


def test_losses_of_a_file(tmp_path: Path) -> None:
    """A file's own number stays; a loss that is none is named."""
    tables = yaml.safe_load(yaml.safe_dump(published.hyperparameters()))
    tables["datasets"]["coco"]["asl_micro_batch"] = None
    tables["datasets"]["nuswide"]["loss"] = "assymetric"
    (tmp_path / "found.yaml").write_text(yaml.safe_dump(tables))
    source = str(tmp_path / "found.yaml")
    assert settings_from(source, "coco", "topk", "0.50")["asl_micro_batch"] is None
    assert "asl_micro_batch" not in settings_from(source, "nabirds", "topk", "0.50")
    with pytest.raises(ValueError, match=r"no entry for loss 'assymetric' \(did you mean 'asymmetric'\?\)"):
        settings_from(source, "nuswide", "topk", "0.50")


def test_another_data_set_can_be_the_searched_one(tmp_path: Path) -> None:
    tables = yaml.safe_load(yaml.safe_dump(published.hyperparameters()))
    tables |= {"searched": "digits"}
    tables["datasets"]["digits"] = {"epochs": 9, "max_shift": 2, "repeats": 1, "augmentation": []}
    (tmp_path / "found.yaml").write_text(yaml.safe_dump(tables))
    source = str(tmp_path / "found.yaml")
    searched = dict(zip(SEARCHED, (0.001, 1024, 20, 1, 0), strict=True))
    own = {"epochs": 9, "max_shift": 2, "repeats": 1}
    assert settings_from(source, "digits", "topk", "0.90") == {**COMMON, **own, **searched}
    assert settings_from(source, "digits", "none", "1.00") == {
        **COMMON,
        **own,
        "epochs": 0,
        "warmup_epochs": 0,
    }
    assert settings_from(source, "coco", "sit", "0.70") == training_for("coco", "sit", "0.70")
    tables["baseline_deit"]["digits"] = searched
    (tmp_path / "trained.yaml").write_text(yaml.safe_dump(tables))
    assert settings_from(str(tmp_path / "trained.yaml"), "digits", "none", "1.00") == {
        **COMMON,
        **own,
        **searched,
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "expected 'own', 'published' or a file, found '.*x.yaml'"),
        ("a: [", "x.yaml is not valid YAML"),
        ("3", "x.yaml: missing keys: baseline_deit, datasets, fixed, imagenet_selected, selected_source"),
        ("datasets: {}", "x.yaml: missing keys: baseline_deit, fixed, imagenet_selected, selected_source"),
    ],
)
def test_files_that_hold_none(content: str | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "x.yaml").write_text(content)
    with pytest.raises(ValueError, match=message):
        settings_from(str(tmp_path / "x.yaml"), "imagenet", "topk", "0.50")


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (("digits", "topk", "0.50"), "no entry for data set 'digits'; known: imagenet, nabirds"),
        (("imagnet", "topk", "0.50"), r"'imagnet' \(did you mean 'imagenet'\?\)"),
        (("coco", "evenly", "0.50"), "no entry for method 'evenly'"),
        (("coco", "topk", "0.60"), "no entry for method 'topk' at keep rate 0.60; known: 0.25, 0.50"),
    ],
)
def test_models_that_the_paper_has_not(run: tuple[str, str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        training_for(*run)
