"""What a study means: its runs, the layers of training settings, heads, the view of it."""

from __future__ import annotations

from collections import Counter

import pytest
import yaml
from snakemake.utils import update_config

from tests.study.studies import ROOT, SOURCE, at, default, overlaid, smoke, study
from tokred.data.options import SyntheticOptions
from tokred.methods.registry import PAPER
from tokred.run import Run
from tokred.settings import parse
from tokred.study.study import Study


def test_default_runs() -> None:
    runs = list(study().runs())
    # 2 data sets, 2 backbones: 12 methods at 3 rates, ToMe at 2, one unreduced model.
    assert len(runs) == len(set(runs)) == 2 * 2 * (12 * 3 + 2 + 1)
    assert {run.method for run in runs} == {"none", *PAPER}
    assert Counter(run.method for run in runs)["none"] == 4
    assert {run.keep_rate for run in runs if run.method == "none"} == {"1.00"}
    assert {run.keep_rate for run in runs if run.method == "topk"} == {"0.25", "0.50", "0.70"}


def test_smoke_runs() -> None:
    values = smoke()
    merged = default()
    update_config(merged, yaml.safe_load((ROOT / "workflow/studies/smoke.yaml").read_text()))
    assert values == merged  # merged as Snakemake does
    parsed = parse(Study, values, SOURCE)
    assert len(list(parsed.runs())) == 2 * 2 * (7 * 2 + 1)
    assert parsed.study == "smoke"
    training = parsed.training_for(next(iter(parsed.runs())))
    assert training.epochs == 1
    assert training.lr_normalizer == 32  # the default study's
    assert parsed.settings.datasets["digits"].options == SyntheticOptions(num_train=128, num_test=96)
    assert parsed.settings.datasets["digits"].adapter == "digits"


def test_tome_has_no_run_below_half() -> None:
    parsed = study({"keep_rates": [0.7, 0.49, 0.5, 0.25]})
    assert parsed.rates_of("tome") == ["0.50", "0.70"]
    assert parsed.rates_of("dpcknn") == ["0.25", "0.49", "0.50", "0.70"]
    assert {run.keep_rate for run in parsed.runs() if run.method == "tome"} == {"0.50", "0.70"}
    with pytest.raises(ValueError, match=r"'tome' supports none of the keep rates \['0.25'\]"):
        study({"keep_rates": [0.25]})
    assert len(list(study({"keep_rates": [0.25], "methods": ["topk"]}).runs())) == 8


def test_runs_follow_the_axes() -> None:
    parsed = study({"methods": ["topk"], "keep_rates": [0.7], "seeds": [3, 1], "backbones": ["vit_micro"]})
    assert [run.key for run in parsed.runs()] == [
        f"{dataset}/vit_micro/{method}/{seed}"
        for dataset in ("digits", "scenes")
        for method in ("none/1.00", "topk/0.70")
        for seed in (3, 1)
    ]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ((), 0.001),
        (("study",), 0.1),
        (("study", "dataset"), 0.2),
        (("dataset", "method"), 0.3),
        (("study", "dataset", "method"), 0.3),
        (("method", "keep_rate"), 0.4),
        (("study", "dataset", "method", "keep_rate"), 0.4),
    ],
)
def test_later_layers_of_training_win(layers: tuple[str, ...], expected: float) -> None:
    paths = {
        "study": at("training.lr", 0.1),
        "dataset": at("settings.datasets.scenes.training.lr", 0.2),
        "method": at("settings.methods.topk.training.lr", 0.3),
        "keep_rate": {"settings": {"methods": {"topk": {"keep_rates": {0.5: {"lr": 0.4}}}}}},
    }
    changes: dict[str, object] = {}
    for layer in layers:
        changes = overlaid(changes, paths[layer])
    parsed = study(changes)
    training = parsed.training_for(Run("scenes", "vit_nano", "topk", "0.50", 0))
    assert training.lr == expected
    plain = study().training_for(Run("scenes", "vit_nano", "topk", "0.50", 0))
    assert training == plain.model_copy(update={"lr": expected})


def test_layers_touch_only_their_own_runs() -> None:
    changes = overlaid(
        at("settings.datasets.digits.training.lr", 0.2),
        {"settings": {"methods": {"topk": {"keep_rates": {0.5: {"epochs": 9}}}}}},
    )
    parsed = study(changes)
    lr = {(run.dataset, parsed.training_for(run).lr) for run in parsed.runs()}
    assert lr == {("digits", 0.2), ("scenes", 0.001)}
    nine = {(run.method, run.keep_rate) for run in parsed.runs() if parsed.training_for(run).epochs == 9}
    assert nine == {("topk", "0.50")}


def test_keeps_head() -> None:
    changes = overlaid(
        {"settings": {"datasets": {"more": {"adapter": "digits"}}}, "datasets": ["digits", "scenes", "more"]},
        at("settings.backbones.vit_micro.pretrained_on", None),
    )
    parsed = study(changes)
    keeps = {(run.dataset, run.backbone) for run in parsed.runs() if parsed.keeps_head(run)}
    assert keeps == {(name, "vit_nano") for name in ("digits", "scenes", "more")}
    alone = study(at("settings.backbones.vit_nano.pretrained_on", "digits"))
    assert {run.dataset for run in alone.runs() if run.backbone == "vit_nano" and alone.keeps_head(run)} == {
        "digits"
    }


def test_recipes_of_backbones() -> None:
    parsed = study({"pretraining": {"lr": 0.5, "backbones": {"vit_micro": {"lr": 0.25, "steps": 20000}}}})
    nano, micro = parsed.pretraining_for("vit_nano"), parsed.pretraining_for("vit_micro")
    assert (nano.lr, nano.steps, micro.lr, micro.steps) == (0.5, 10000, 0.25, 20000)
    assert nano.guided_from == micro.guided_from == 3
    assert parsed.pretraining_run("vit_nano") == Run("pretraining", "vit_nano", "none", "1.00", 0)


def test_view() -> None:
    changes = {"methods": ["tome", "l1", "topk"], "keep_rates": [0.7, 0.25, 0.5], "seeds": [0, 4]}
    view = study(overlaid(changes, at("settings.datasets.scenes.label", "Many digits"))).view()
    assert view.study == "default"
    assert view.datasets == {"digits": "Digits", "scenes": "Many digits"}
    assert view.backbones == {"vit_nano": "ViT-Nano", "vit_micro": "ViT-Micro"}
    assert view.methods == ("l1", "topk", "tome")  # the registry's order
    assert view.keep_rates == ("0.25", "0.50", "0.70")
    assert view.seeds == (0, 4)
    assert view.locations == (3, 6, 9)
    assert view.grid == (10, 10)


@pytest.mark.parametrize(
    ("data", "root", "expected"),
    [
        (None, "imagenet", "imagenet"),
        (None, "/disk/imagenet", "/disk/imagenet"),
        ("/data", "imagenet", "/data/imagenet"),
        ("/data", "./imagenet/", "/data/imagenet"),
        ("/data", "/disk/imagenet", "/disk/imagenet"),
        ("data", "imagenet", "data/imagenet"),
        ("~/data", "imagenet", "/home/me/data/imagenet"),
        ("/data", "~/imagenet", "/home/me/imagenet"),
    ],
)
def test_relative_roots_lie_below_data(
    data: str | None, root: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    described = {"adapter": "imagenet", "options": {"root": root, "store": "pack"}}
    parsed = study(overlaid({"data": data}, at("settings.datasets.imagenet", described)))
    options = parsed.options_of(parsed.settings.datasets["imagenet"])
    assert options == {"root": expected, "store": "pack"}
    assert parsed.options_of(parsed.settings.datasets["digits"]) == {"num_train": 256, "num_test": 1000}
