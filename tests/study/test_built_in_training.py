"""Settings of the built-in study are those of the built-in data sets, and reach no other data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.study.studies import SOURCE, at, overlaid, smoke, study
from tokred.artifacts.registry import ARTIFACTS
from tokred.data import synthetic
from tokred.data.registry import ADAPTERS
from tokred.run import Run
from tokred.settings import parse
from tokred.study.study import Study

#: What runs of the default study are trained with, as far as it is not the default of `Training`.
BUILT_IN = {
    "epochs": 2,
    "batch_size": 32,
    "backbone_lr_scale": 0.01,
    "full_lr": [],
    "lr_normalizer": 32,
    "min_lr": 0.0,
    "warmup_epochs": 0.3,
    "drop_path": 0.0,
    "ema_decay": None,
    "clip_grad": 1.0,
    "selection": "last",
}
PETS = {"adapter": "image_folder", "options": {"root": "pets"}}


def own(changes: dict[str, Any] | None = None, **described: object) -> Study:
    """The default study with a folder of images in place of its data sets."""
    values = overlaid({"datasets": ["pets"]}, at("settings.datasets.pets", {**PETS, **described}))
    return study(overlaid(values, changes or {}))


def changed(parsed: Study, run: Run) -> dict[str, Any]:
    """Settings of a run that are not the defaults of `Training`."""
    return parsed.training_for(run).model_dump(exclude_defaults=True)


def test_settings_of_the_built_in_studies() -> None:
    for parsed, epochs in ((study(), 2), (parse(Study, smoke(), SOURCE), 1)):
        for run in parsed.runs():
            assert changed(parsed, run) == {**BUILT_IN, "epochs": epochs}
            access = parsed.images_of(parsed.settings.datasets[run.dataset], run.backbone)
            assert access.model_dump() == {"source": "memory", "crop_pct": None}


def weights_of(patch_size: int, folder: Path) -> str:
    """A file with what the configuration looks at in the weights of a ViT of depth 12."""
    tensors = {"patch_embed.proj.weight": np.zeros((192, 3, patch_size, patch_size), np.float32)}
    tensors["blocks.11.norm1.weight"] = np.zeros(192, np.float32)
    save_file(tensors, folder / "w.safetensors")
    return str(folder / "w.safetensors")


def test_nothing_of_them_reaches_other_data_sets() -> None:
    parsed = own()
    expected = {"warmup_epochs": 3, "batch_size": 32, "lr_normalizer": 32, "clip_grad": 1.0, "drop_path": 0.0}
    expected |= {"ema_decay": None, "selection": "last", "crop": "random", "flip": 0.5}
    for run in parsed.runs():
        assert changed(parsed, run) == expected
        assert parsed.images_of(parsed.settings.datasets["pets"], run.backbone).source == "stream"


def test_foreign_weights_learn_slowly(tmp_path: Path) -> None:
    foreign = {"model": "vit_tiny_patch16_224", "image_size": 30, "patch_size": 3}
    foreign["weights"] = weights_of(3, tmp_path)
    foreign |= {"mean": [0.5] * 3, "std": [0.5] * 3}
    values = {"backbones": ["other"], "settings": {"backbones": {"other": foreign}}}
    (found,) = {parsed.lr for parsed in map(own(values).training_for, own(values).runs())}
    assert found == 0.0001


def test_a_studys_own_settings_are_above_both() -> None:
    changes = {"datasets": ["pets", "digits"], "training": {"epochs": 5, "lr": 0.01}}
    parsed = own(changes)
    pets, digits = (
        parsed.training_for(Run(name, "vit_nano", "topk", "0.50", 0)) for name in ("pets", "digits")
    )
    assert (pets.epochs, pets.lr, pets.warmup_epochs, pets.flip) == (5, 0.01, 0.5, 0.5)
    assert (digits.epochs, digits.lr, digits.warmup_epochs, digits.clip_grad) == (5, 0.01, 0.3, 1.0)


@pytest.mark.parametrize("epochs", [1, 2, 100])
def test_the_warm_up_fits_the_epochs(epochs: int) -> None:
    found = own({"training": {"epochs": epochs}}).training_for(Run("pets", "vit_nano", "topk", "0.50", 0))
    assert (found.epochs, found.warmup_epochs) == (epochs, epochs / 10)


def test_own_images_in_memory_are_shifted() -> None:
    parsed = own(images={"source": "memory"})
    found = parsed.training_for(Run("pets", "vit_nano", "topk", "0.50", 0))
    assert (found.max_shift, found.crop, found.flip) == (2, "whole", 0.0)


def test_made_pictures_are_streamed_to_larger_backbones(tmp_path: Path) -> None:
    larger = {"model": "vit_tiny_patch16_224", "image_size": 64, "patch_size": 8}
    larger["weights"] = weights_of(8, tmp_path)
    larger |= {"mean": [0.5] * 3, "std": [0.5] * 3}
    changes = overlaid({"backbones": ["larger"]}, at("settings.backbones.larger", larger))
    parsed = study(changes)
    assert parsed.images_of(parsed.settings.datasets["digits"], "larger").source == "stream"
    found = parsed.training_for(Run("scenes", "larger", "topk", "0.50", 0))
    assert (found.crop, found.max_shift, found.epochs) == ("random", 0, 30)
    memory = overlaid(changes, at("settings.datasets.digits.images.source", "memory"))
    with pytest.raises(
        ValueError, match=r"images\.source: found 'memory', expected 'stream' or 'auto': its images have"
    ):
        study(memory)


def test_sizes_of_made_pictures() -> None:
    sizes = {name: adapter.size for name, adapter in ADAPTERS.items() if adapter.size is not None}
    assert sizes == {"digits": synthetic.SIZE, "scenes": synthetic.SIZE}


def test_labels_of_data_sets() -> None:
    described = dict.fromkeys(("pets", "birds"), PETS)
    described |= {name: {"adapter": "coco", "options": {"root": "c"}} for name in ("coco14", "coco17")}
    described["nabirds"] = {"adapter": "nabirds", "options": {"root": "n"}}
    described["named"] = {**PETS, "label": "My *pets*"}
    parsed = study({"datasets": list(described), "settings": {"datasets": described}})
    assert parsed.view().datasets == {
        "pets": "pets",
        "birds": "birds",
        "coco14": "coco14",
        "coco17": "coco17",
        "nabirds": "NABirds",
        "named": "My *pets*",
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"datasets": ["digits", "Digits"], "settings": {"datasets": {"Digits": {"adapter": "digits"}}}},
            "datasets: 'digits' and 'Digits' are one folder on file systems that ignore case",
        ),
        (
            {"settings": {"datasets": {name: {"label": "One"} for name in ("digits", "scenes")}}},
            r"settings\.datasets\.scenes\.label: 'One' is also the label of 'digits'",
        ),
        (
            at("settings.backbones.vit_nano.label", "ViT-Micro"),
            r"settings\.backbones\.vit_micro\.label: 'ViT-Micro' is also the label of 'vit_nano'",
        ),
        (
            {"datasets": ["all"], "settings": {"datasets": {"all": PETS}}},
            r"settings\.datasets\.all\.label: 'all' is also the label of 'the sum over all data sets'",
        ),
        (at("settings.datasets.digits.label", " "), r"datasets\.digits\.label: expected one line of text"),
        (at("settings.datasets.digits.label", "a\nb"), r"datasets\.digits\.label: expected one line of text"),
        (
            at("built_in_training.epoch", 3),
            r"training of digits/.*\n?.*epoch: unknown key \(did you mean 'epochs'",
        ),
    ],
)
def test_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        study(changes)


def test_data_sets_with_object_masks() -> None:
    masked = {**PETS, "options": {"root": "pets", "masks_folder": "masks"}}
    described = {"plain": PETS, "masked": masked}
    parsed = study({"datasets": ["plain", "scenes", "masked"], "settings": {"datasets": described}})
    assert parsed.view().masked == ("scenes", "masked")
    entry = ARTIFACTS["objects"]
    assert entry.unavailable_reason(parsed.view()) is None
    assert entry.unavailable_reason(own().view()) == (
        "objects needs object masks, no data set of the study has them (option masks_folder of image_folder)"
    )
