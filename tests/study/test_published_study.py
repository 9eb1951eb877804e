"""Hyperparameters below a study's own settings, streamed data sets, and the study of the paper."""

from __future__ import annotations

import copy
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from tests.study.studies import ROOT, at, default, overlaid, refused, study
from tokred.run import Run
from tokred.settings import parse
from tokred.study.hyperparameters import training_for
from tokred.study.study import Study

PAPER = yaml.safe_load((ROOT / "workflow/studies/paper.yaml").read_text())


def paper(**changes: object) -> Study:
    """The study of the paper on top of the default one."""
    merged = default()
    update_config(merged, copy.deepcopy(PAPER))
    update_config(merged, changes)
    return parse(Study, merged, "paper")


def test_paper_s_runs() -> None:
    parsed = paper()
    runs = list(parsed.runs())
    assert len(runs) == len(set(runs)) == 624
    assert Counter(run.method for run in runs)["none"] == 12
    for run in runs:
        training = parsed.training_for(run)
        published = training_for(run.dataset, run.method, run.keep_rate)
        assert training.model_dump(exclude_unset=True) == {**published, "selection": "test"}
        untrained = run.dataset == "imagenet" and run.method == "none"
        assert (training.epochs == 0) == untrained
        assert parsed.keeps_head(run) == (run.dataset == "imagenet")
    assert parsed.evaluation_precision == "float16"
    view = parsed.view()
    assert list(view.backbones.values()) == ["DeiT-T", "DeiT-S", "DeiT-B"]
    assert (view.grid, view.locations) == ((14, 14), (3, 6, 9))


#: Keys that the page of differences names, each with the published value.
DIFFERENCES = re.findall(
    r"`([a-z_.]+): ([^`]+)`", (ROOT / "docs/differences.md").read_text().partition("## Training")[2]
)


def test_page_of_differences_names_keys() -> None:
    assert len(DIFFERENCES) == len(set(DIFFERENCES)) >= 10


@pytest.mark.slow
@pytest.mark.parametrize(("key", "text"), DIFFERENCES)
def test_keys_of_the_page_of_differences(key: str, text: str) -> None:
    """Each key can be set to the value that the page names, and the paper's study has it."""
    value, parsed = yaml.safe_load(text), paper()
    if key.startswith("training."):
        name = key.removeprefix("training.")
        assert value in {getattr(parsed.training_for(run), name) for run in parsed.runs()}
    else:
        assert _at(parsed, key.split(".")) == value
    changes: object = value
    for name in reversed(key.split(".")):
        changes = {name: changes}
    changed = paper(**changes)
    assert _at(changed, key.split(".")) == value


def _at(found: object, names: list[str]) -> object:
    for name in names:
        found = found[name] if isinstance(found, dict) else getattr(found, name)
    return found


def test_own_settings_are_above_the_published() -> None:
    parsed = paper(training={"lr": 0.5, "precision": "bfloat16"})
    found = parsed.training_for(Run("coco", "deit_tiny", "topk", "0.50", 0))
    assert (found.lr, found.precision, found.epochs) == (0.5, "bfloat16", 40)


def test_hyperparameters_of_a_file(tmp_path: Path) -> None:
    from tokred import published

    tables = yaml.safe_load(yaml.safe_dump(published.hyperparameters()))
    tables["datasets"]["coco"]["epochs"] = 3
    tables["baseline_deit"]["coco"]["warmup_epochs"] = 1
    (tmp_path / "found.yaml").write_text(yaml.safe_dump(tables))
    parsed = paper(hyperparameters=str(tmp_path / "found.yaml"), datasets=["coco"], methods=["topk"])
    assert {parsed.training_for(run).epochs for run in parsed.runs()} == {3}


def test_default_study_has_none_below() -> None:
    assert study().training_for(Run("digits", "vit_nano", "topk", "0.50", 0)).epochs == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hyperparameters": "published"}, "hyperparameters: no entry for data set 'digits'"),
        ({"hyperparameters": "publisht"}, "expected 'own', 'published' or a file, found 'publisht'"),
        (
            at("training.crop", "random"),
            "crop: expected a data set with `images: {source: stream}`, found 'memory'",
        ),
        (
            overlaid(at("training.flip", 0.5), at("training.repeats", 3)),
            "training of digits/vit_nano/none/1.00/0: flip, repeats: expected a data set with",
        ),
        (
            overlaid(at("settings.datasets.scenes.images.source", "stream"), at("training.max_shift", 2)),
            "training of scenes/vit_nano/none/1.00/0: max_shift: expected a data set with "
            "`images: {source: memory}`, found 'stream'",
        ),
        (
            overlaid(
                at("settings.datasets.scenes.training", {"epochs": 0}),
                at("settings.backbones.vit_nano.pretrained_on", "digits"),
            ),
            "scenes/vit_nano/none/1.00/0: epochs: found 0, expected more, as the backbone's classifier has "
            "other classes (pretrained_on 'digits')",
        ),
        (at("hardware.processes", 0), "hardware.processes: "),
        (at("hardware.device", "tpu"), "hardware.device: "),
        (at("hardware.micro_batch", 8), "unknown key (did you mean 'micro_batch_size'?)"),
        (at("training.precision", "half"), "training.precision: "),
        (at("training.randaugment", "strong"), "training.randaugment: "),
        (at("settings.datasets.digits.images.crop_pct", 1.5), "settings.datasets.digits.images.crop_pct: "),
        (
            at("settings.backbones.vit_nano", {"weights": "timm", "model": "vit_tny", "image_size": None}),
            "settings.backbones.vit_nano: timm has no weights for model 'vit_tny'",
        ),
    ],
)
def test_refused(changes: dict[str, object], message: str) -> None:
    refused(changes, message)


def test_pretrained_digits_without_training() -> None:
    parsed = study(at("settings.datasets.digits.training", {"epochs": 0}))
    assert parsed.training_for(Run("digits", "vit_nano", "none", "1.00", 0)).epochs == 0
