"""One trial: only its history is kept, it goes on where it was cut off, and may diverge."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.search.studies import searching, setting
from tokred.data.prepare import prepare
from tokred.models.shipped import path as shipped_path
from tokred.run import Run
from tokred.search import plan as planning
from tokred.search.plan import Cell
from tokred.search.trial import run_trial
from tokred.tables import schemas
from tokred.training.loop import Trainer

CELL = Cell("digits", "topk", "0.50")
SETTING = setting(0.002, 32, 0.5, 1, 0)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("data") / "train.parquet"
    prepare("digits", "digits", "train", {"num_train": 64, "num_test": 8}, str(output), threads=1)
    return output


def arguments(digits: Path, folder: Path, **changes: Any) -> dict[str, Any]:
    """A trial of the default study, two epochs long."""
    study = searching()
    backbone = study.settings.backbones["vit_nano"].model_dump(mode="json")
    given = {
        "run": asdict(planning.run_of_trials(study, CELL)),
        "model": {"backbone": backbone, "options": {}, "locations": study.locations},
        "training": planning.training(study, CELL).model_dump(),
        "setting": SETTING,
        "chosen": None,
        "code": {"try_setting": "c0"},
        "pretrained": str(shipped_path("vit_nano")),
        "keep_head": True,
        "train_table": str(digits),
        "test_table": None,
        "history": str(folder / "0.002_32_0.5_1_0.parquet"),
    }
    return {**given, **changes}


def rows_of(given: dict[str, Any]) -> pd.DataFrame:
    return schemas.read(given["history"], schemas.HISTORY).drop(columns="seconds")


def test_nothing_but_the_history_is_kept(digits: Path, tmp_path: Path) -> None:
    given = arguments(digits, tmp_path)
    run_trial(given)
    assert list(tmp_path.iterdir()) == [Path(given["history"])]
    rows = rows_of(given)
    assert rows["epoch"].tolist() == [1, 2]
    assert rows["val_score"].between(0, 100).all()
    assert rows["dataset"].unique().tolist() == ["search/digits"]
    assert schemas.metadata(given["history"])["training"] == {**given["training"], **SETTING}


@pytest.mark.slow
def test_a_chosen_setting_is_the_same_as_a_given_one(digits: Path, tmp_path: Path) -> None:
    chosen = tmp_path / "chosen.json"
    chosen.write_text(json.dumps(SETTING))
    given = arguments(digits, tmp_path)
    taken = arguments(
        digits, tmp_path, setting=None, chosen=str(chosen), history=str(tmp_path / "first.parquet")
    )
    run_trial(given)
    run_trial(taken)
    assert schemas.metadata(taken["history"]) == schemas.metadata(given["history"])
    pd.testing.assert_frame_equal(rows_of(taken), rows_of(given))


@pytest.mark.slow
def test_a_trial_goes_on_after_its_last_epoch(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = (arguments(digits, tmp_path / name) for name in ("whole", "cut"))
    run_trial(whole)
    trained = []
    train_epoch = Trainer._train_epoch

    def counted(trainer: Trainer) -> dict[str, float]:
        if len(trained) == 1:
            trained.append("cut off")
            raise KeyboardInterrupt
        trained.append(trainer.epoch)
        return train_epoch(trainer)

    monkeypatch.setattr(Trainer, "_train_epoch", counted)
    with pytest.raises(KeyboardInterrupt):
        run_trial(cut)
    assert not Path(cut["history"]).exists()
    run_trial(cut)
    assert trained == [0, "cut off", 1]
    assert list((tmp_path / "cut").iterdir()) == [Path(cut["history"])]
    pd.testing.assert_frame_equal(rows_of(cut), rows_of(whole))


def test_divergence_is_a_history_without_rows(digits: Path, tmp_path: Path) -> None:
    training = {**arguments(digits, tmp_path)["training"], "clip_grad": None}
    given = arguments(digits, tmp_path, training=training, setting=setting(1e30, 32, 0, 1, 0))
    run_trial(given)
    assert rows_of(given).empty
    assert schemas.metadata(given["history"])["training"]["lr"] == 1e30
    assert Run(**schemas.metadata(given["history"])["run"]).dataset == "search/digits"
    assert list(tmp_path.iterdir()) == [Path(given["history"])]


@pytest.mark.slow
@pytest.mark.parametrize(("lr", "epochs"), [(0.002, [1, 2]), (1e30, [])])
def test_two_processes(lr: float, epochs: list[int], digits: Path, tmp_path: Path) -> None:
    hardware = {"device": "cpu", "processes": 2}
    training = {**arguments(digits, tmp_path)["training"], "clip_grad": None}
    tried = setting(lr, 32, 0, 1, 0)
    given = arguments(digits, tmp_path, training=training, setting=tried, hardware=hardware)
    run_trial(given)
    assert rows_of(given)["epoch"].tolist() == epochs
    assert list(tmp_path.iterdir()) == [Path(given["history"])]
