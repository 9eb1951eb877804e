"""What a search writes is what studies read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.search.studies import SMALL, Scores, searching, setting, write_search
from tests.study.studies import ROOT, at, default, overlaid, study
from tokred import published
from tokred.comparison.settings import grid_rows
from tokred.run import Run
from tokred.search.plan import Cell, backbone, check, plan
from tokred.study.search import SEARCHED
from tokred.study.study import Study
from tokred.tables import schemas

#: The better setting is the second for Top-K, the first for ToMe (equal) and the unreduced model.
SCORES: Scores = {
    Cell("digits", "topk", "0.50"): (50.0, 60.0),
    Cell("digits", "tome", "0.50"): (70.0, 70.0),
    Cell("scenes", "none", "1.00"): (80.0, 20.0),
    Cell("scenes", "topk", "0.50"): (40.0, 41.0),
    Cell("scenes", "tome", "0.50"): (30.0, None),
}
TUNED = {
    "backbones": ["vit_nano"],
    "methods": ["topk", "tome"],
    "keep_rates": [0.5],
    "training": None,
    "settings": {"datasets": {"digits": {"training": None}, "scenes": {"training": None}}},
}


def searched(folder: Path, changes: dict[str, Any] | None = None) -> tuple[Study, Path]:
    """A study with the small search, and the file of its search with the scores above."""
    values = overlaid(overlaid(default(), SMALL), changes or {})
    return searching(changes), write_search(folder, values, SCORES)


@pytest.mark.slow
def test_examples_of_the_documentation(tmp_path: Path) -> None:
    text = (ROOT / "docs/search.md").read_text()
    mine, tuned = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", text, re.S))
    check(study(mine))
    file = write_search(tmp_path, overlaid(default(), mine), {})
    assert tuned["hyperparameters"] == f"results/{mine['study']}/search/hyperparameters.yaml"
    parsed = study({**tuned, "hyperparameters": str(file)})
    found = parsed.training_for(Run("scenes", "vit_nano", "tome", "0.70", 0))
    assert (found.epochs, found.lr, found.lr_normalizer, found.warmup_epochs) == (5, 0.001, 32, 0.5)
    assert (found.clip_grad, found.backbone_lr_scale, found.selection) == (1.0, 1, "last")


def test_a_study_trains_with_what_was_found(tmp_path: Path) -> None:
    origin, file = searched(tmp_path)
    tuned = study({**TUNED, "hyperparameters": str(file)})
    expected = {
        ("digits", "topk", "0.50"): setting(0.001, 32, 0.5, 1, 0),
        ("digits", "tome", "0.50"): setting(0.001, 32, 0, 1, 0),
        ("scenes", "none", "1.00"): setting(0.01, 32, 0, 1, 0),
        ("scenes", "topk", "0.50"): setting(0.01, 32, 0, 1, 0),
        ("scenes", "tome", "0.50"): setting(0.001, 32, 0, 1, 0),
    }
    for model, values in expected.items():
        dataset, *rest = model
        run = Run(dataset, "vit_nano", *rest, 0)
        assert tuned.training_for(run).model_dump() == {**origin.training_for(run).model_dump(), **values}
    assert tuned.training_for(Run("digits", "vit_nano", "none", "1.00", 0)).epochs == 0


def test_form_is_that_of_the_published_file(tmp_path: Path) -> None:
    _, file = searched(tmp_path)
    found, known = yaml.safe_load(file.read_text()), published.hyperparameters()
    assert list(found) == list(known)
    assert found["searched"] == "digits"
    assert found["source"] == (
        "search of study default with vit_nano, chosen on a held-out part of the training split"
    )
    assert set(found["baseline_deit"]["scenes"]) == set(known["baseline_deit"]["coco"])
    assert found["selected_source"] == {
        "topk": {"scenes": {"0.50": "deit"}},
        "tome": {"scenes": {"0.50": "imagenet"}},
    }
    assert set(found["fixed"]) <= set(known["fixed"])


def test_models_that_a_method_cannot_make_are_empty(tmp_path: Path) -> None:
    changes = {"keep_rates": [0.25, 0.5]}
    _, file = searched(tmp_path, changes)
    found = yaml.safe_load(file.read_text())
    assert found["imagenet_selected"]["tome"]["0.25"] is None
    assert found["selected_source"]["tome"]["scenes"] == {"0.25": None, "0.50": "imagenet"}
    tuned = study({**TUNED, **changes, "hyperparameters": str(file)})
    assert ("tome", "0.25") not in {(run.method, run.keep_rate) for run in tuned.runs()}


def test_table_2_has_the_values_of_both_grids(tmp_path: Path) -> None:
    _, file = searched(tmp_path)
    tuned = study({**TUNED, "hyperparameters": str(file)})
    rows = {row["setting"]: row["values"] for row in grid_rows(tuned)}
    assert rows == dict(zip(SEARCHED, ["0.01, 0.002, 0.001", "32", "0, 0.5", "1", "0"], strict=True))


def test_trials_are_a_tidy_table(tmp_path: Path) -> None:
    parsed, _ = searched(tmp_path)
    rows = schemas.read(tmp_path / "trials", schemas.TRIALS)
    models = rows.groupby(["dataset", "backbone", "method", "keep_rate"])
    assert len(rows) == 10
    assert (models["chosen"].sum() == 1).all()
    assert set(models.groups) == {
        (cell.dataset, backbone(parsed), cell.method, cell.keep_rate) for cell in plan(parsed)
    }
    topk = rows.query("dataset == 'scenes' and method == 'topk'")
    assert topk["trial"].tolist() == ["first", "baseline"]
    assert topk["chosen"].tolist() == [False, True]
    assert topk["lr"].tolist() == [0.001, 0.01]
    assert rows.loc[rows["score"].isna(), ["dataset", "method", "trial"]].values.tolist() == [
        ["scenes", "tome", "baseline"]
    ]


def test_backbones_without_a_classifier_for_the_first_data_set(tmp_path: Path) -> None:
    digits_alone = overlaid(
        at("settings.backbones.vit_nano.pretrained_on", "digits"), {"datasets": ["scenes", "digits"]}
    )
    _, file = searched(tmp_path, digits_alone)
    tuned = study(overlaid(overlaid(TUNED, digits_alone), {"hyperparameters": str(file)}))
    assert tuned.training_for(Run("scenes", "vit_nano", "none", "1.00", 0)).lr == 0.01


def test_an_unknown_setting_in_a_file(tmp_path: Path) -> None:
    _, file = searched(tmp_path)
    found = yaml.safe_load(file.read_text())
    found["datasets"]["digits"]["batchsize"] = 3
    file.write_text(yaml.safe_dump(found))
    with pytest.raises(
        ValueError, match=r"(?s)training of digits/.*batchsize: unknown key \(did you mean 'batch_size'"
    ):
        study({**TUNED, "hyperparameters": str(file)})
