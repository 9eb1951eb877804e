"""Which weights a training keeps: the best epoch of the model and its moving average."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.training.pictures import PLAIN, SMALL, table, trainer
from tokred.evaluation.job import extract_run
from tokred.models.factory import build_model
from tokred.models.weights import save_weights
from tokred.run import Run
from tokred.settings import Hardware
from tokred.tables import schemas
from tokred.training.job import train

RUN = {"dataset": "pictures", "backbone": "b", "method": "topk", "keep_rate": "0.50", "seed": 0}
MODEL = {"backbone": SMALL.model_dump(mode="json"), "options": {}, "locations": [1, 2]}
STREAM = {"source": "stream", "crop_pct": 0.875}


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_published_choice_is_the_best_score_on_the_test_split(precision: str, tmp_path: Path) -> None:
    """What an extraction in the same precision measures is the highest score of all epochs, of either."""
    train_table = table(tmp_path / "train.parquet", 24)
    test_table = table(tmp_path / "test.parquet", 21, split="test")
    save_weights(
        build_model(Run("pictures", "b", "none", "1.00", 0), SMALL, {}, (1, 2), 5), tmp_path / "vit", {}
    )
    training = {**PLAIN, "epochs": 6, "lr": 0.01, "selection": "test", "precision": precision}
    checkpoint, history = str(tmp_path / "run.safetensors"), str(tmp_path / "history.parquet")
    common = {
        "run": RUN,
        "model": MODEL,
        "images": STREAM,
        "weights": checkpoint,
        "test_table": test_table,
    }
    start = {"pretrained": str(tmp_path / "vit"), "keep_head": False, "train_table": train_table}
    train({**common, **start, "training": training, "history": history})
    rows = schemas.read(history, schemas.HISTORY)
    outputs = {name: str(tmp_path / name) for name in ("predictions", "patterns", "features", "score")}
    extract_run({**common, "batch_size": 8, "precision": precision, **outputs})
    scores = rows[["val_score", "val_score_ema"]]
    found = schemas.read(outputs["score"], schemas.SCORES)["score"].item()
    assert found == pytest.approx(scores.max(axis=None))
    assert scores.stack().nunique() > 1


def test_moving_average_follows_every_optimizer_step(tmp_path: Path) -> None:
    """Once a step, however many micro-batches it has; from the first step on, without a warm-up."""
    path = table(tmp_path / "train.parquet", 24)
    learner = trainer(path, hardware=Hardware(micro_batch_size=2, device="cpu"), ema_decay=0.9)
    expected = {name: value.clone() for name, value in learner.model.state_dict().items()}
    for index, parts in enumerate(learner.train_images.steps(learner.training, learner.shard, 0)):
        learner.schedule.apply(learner.stepper.optimizer, index)
        learner.stepper.step(parts, learner.parts, learner._inputs, None)
        for name, value in learner.model.state_dict().items():
            expected[name] = 0.9 * expected[name] + 0.1 * value
    assert index == 2
    for name, value in learner.stepper.ema.module.state_dict().items():
        torch.testing.assert_close(value, expected[name])
    before = dict(learner.model.named_parameters())
    assert any(not torch.equal(expected[name], value) for name, value in before.items())
