"""Studies without training: `training: none`."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.study.studies import ROOT, SOURCE, at, default, overlaid, refused, study
from tokred.methods.registry import METHODS
from tokred.run import Run
from tokred.settings import parse
from tokred.study.study import Study
from tokred.study.view import View

UNTRAINED = {"training": "none", "methods": ["topk", "tome", "dpcknn"]}
RUN = Run("digits", "vit_nano", "topk", "0.50", 0)


def of_overlays(*names: str) -> Study:
    values = default()
    for name in names:
        overlay = yaml.safe_load((ROOT / f"workflow/studies/{name}.yaml").read_text())
        values = overlaid(values, overlay)
    return parse(Study, values, SOURCE)


def test_a_study_trains_unless_it_says_so() -> None:
    assert study().fine_tunes
    assert study({"training": None}).fine_tunes
    assert not study(UNTRAINED).fine_tunes
    assert (study().view().fine_tuned, study(UNTRAINED).view().fine_tuned) == (True, False)
    view = study(UNTRAINED).view()
    assert View.of({**vars(view), "methods": list(view.methods)}) == view


def test_runs_are_those_of_a_study_that_trains() -> None:
    trained = study({"methods": UNTRAINED["methods"]})
    assert list(study(UNTRAINED).runs()) == list(trained.runs())


def test_options_are_those_of_untrained_methods() -> None:
    dpcknn = at("settings.methods.dpcknn.options", {"neighbors": 3})
    assert study(overlaid(UNTRAINED, dpcknn)).options_of_method("dpcknn") == {
        "neighbors": 3,
        "weights": "equal",
    }
    assert study(dpcknn).options_of_method("dpcknn") == {"neighbors": 3, "weights": "learned"}
    assert study(UNTRAINED).options_of_method("tome") == {"proportional": "log"}


def test_training_settings_of_parts_do_not_matter() -> None:
    """So that `training: none` makes an untrained study of any other."""
    parts = at("settings.datasets.digits.training", {"epochs": 0, "crop": "random"})
    parts = overlaid(parts, at("settings.methods.topk.training", {"lr": 0.1}))
    parts = overlaid(parts, {"hyperparameters": "published"})
    found = study(overlaid(UNTRAINED, parts))
    with pytest.raises(ValueError, match=r"study 'default' trains no models \(training: 'none'\)"):
        found.training_for(RUN)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ["topk", "sit"]}, "methods: 'sit' cannot be used untrained, as its weights of tokens"),
        ({"seeds": [0, 1, 2]}, "seeds: found 3, expected one"),
        (
            at("settings.methods.dpcknn.options.weights", "learned"),
            "methods: weights: found 'learned', which 'dpcknn' has to learn; untrained it needs 'equal'",
        ),
        (
            at("settings.backbones.vit_micro.pretrained_on", "digits"),
            "settings.backbones.vit_micro.pretrained_on: found 'digits', expected a backbone with the "
            "classes of data set 'scenes' ('scenes')",
        ),
        ({"training": "None"}, "training: expected a mapping, or 'none' for a study without training, found"),
        ({"training": 3}, "training: expected a mapping, found 3"),
    ],
)
def test_what_a_study_without_training_cannot_have(changes: dict[str, Any], message: str) -> None:
    refused(overlaid(UNTRAINED, changes), message)


def test_published_performance_is_of_trained_models() -> None:
    values = overlaid(default(), yaml.safe_load((ROOT / "workflow/studies/published.yaml").read_text()))
    with pytest.raises(ValueError, match="training: found 'none' with `scores: published`"):
        parse(Study, {**values, "training": "none", "methods": ["topk"]}, SOURCE)


@pytest.mark.parametrize(
    ("names", "models"),
    [
        (["off_the_shelf_built_in"], 0),
        pytest.param(["off_the_shelf"], 2, marks=pytest.mark.slow),
        pytest.param(["off_the_shelf", "off_the_shelf_augreg"], 2, marks=pytest.mark.slow),
        pytest.param(["off_the_shelf", "off_the_shelf_large"], 1, marks=pytest.mark.slow),
    ],
)
def test_overlays(names: list[str], models: int) -> None:
    """They have all methods that need no training, and know which accuracies are published."""
    found = of_overlays(*names)
    learned = {"none", "dynamicvit", "sit", "patchmerger", "sinkhorn", "dtem"}
    assert set(found.methods) == set(METHODS) - learned
    assert len(found.view().published_models) == models
