"""Training: it learns, it can be cut off after any epoch, it repeats to the bit."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from tests.training.tiny import BACKBONE, SETTINGS, cut_off_after
from tokred.data.in_memory import Images, augment
from tokred.data.prepare import prepare
from tokred.models.factory import build_model
from tokred.models.weights import save_weights
from tokred.run import Run
from tokred.settings import Training
from tokred.settings.jobs import TrainJob
from tokred.tables import schemas
from tokred.training.job import train
from tokred.training.loop import Diverged, Trainer


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("data") / "train.parquet"
    prepare("digits", "digits", "train", {"num_train": 48}, str(path))
    return str(path)


def trainer(table: str, method: str = "topk", depth: int = 12, **changes: object) -> Trainer:
    run = Run("digits", "tiny", method, "0.50", 0)
    training = Training(**{**SETTINGS, **changes})
    images = Images.read(table, 30)
    validation = None if training.selection == "last" else images
    backbone = BACKBONE.model_copy(update={"depth": depth})
    model = build_model(run, backbone, {}, (depth // 4, depth // 2), 10, training.drop_path)
    return Trainer(model, run, BACKBONE, training, images, validation)


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return set(first) == set(second) and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["topk", "dynamicvit", "sinkhorn", "ats"])
@pytest.mark.parametrize("selection", ["holdout", "last"])
@pytest.mark.parametrize("epochs_before", [1, 2])
def test_interrupted_training_ends_with_the_same_weights(
    method: str,
    selection: str,
    epochs_before: int,
    table: str,
    tmp_path: Path,
) -> None:
    expected = trainer(table, method, selection=selection).fit(tmp_path / "whole.safetensors", "same")
    cut = trainer(table, method, selection=selection)
    with cut_off_after(epochs_before):
        cut.fit(tmp_path / "cut.safetensors", "same")
    resumed = trainer(table, method, selection=selection)
    assert equal(resumed.fit(tmp_path / "cut.safetensors", "same"), expected)
    assert [row["epoch"] for row in resumed.history] == [1, 2, 3]


@pytest.mark.slow
def test_checkpoints_of_other_settings_are_ignored(
    table: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state.safetensors"
    expected = trainer(table).fit(path, "settings A")
    with caplog.at_level(logging.INFO):
        again = trainer(table)
        assert equal(again.fit(path, "settings B"), expected)
    assert "checkpoint of other settings or code" in caplog.text


@pytest.mark.slow
def test_same_seed_same_bits_and_other_seed_others(table: str, tmp_path: Path) -> None:
    first = trainer(table).fit(tmp_path / "1", "x")
    second = trainer(table).fit(tmp_path / "2", "x")
    assert equal(first, second)
    other = trainer(table)
    other.run = Run("digits", "tiny", "topk", "0.50", 1)
    assert not equal(other.fit(tmp_path / "3", "x"), first)


@pytest.mark.slow
def test_learns_its_training_images(table: str, tmp_path: Path) -> None:
    plain = {"ema_decay": None, "max_shift": 0, "color_jitter": 0, "drop_path": 0}
    learner = trainer(table, depth=4, epochs=60, lr=0.003, **plain)
    learner.fit(tmp_path / "state", "x")
    assert learner.history[-1]["train_loss"] < 0.5 * learner.history[0]["train_loss"]
    assert learner.best_score == max(row["val_score"] for row in learner.history)
    assert learner.best_score > 50


@pytest.mark.slow
def test_chooses_the_best_of_model_and_average(table: str, tmp_path: Path) -> None:
    learner = trainer(table, epochs=4)
    best = learner.fit(tmp_path / "state", "x")
    scores = [max(row["val_score"], row["val_score_ema"]) for row in learner.history]
    assert learner.best_score == max(scores)
    learner.model.load_state_dict(best)
    assert learner.evaluate(learner.model, learner.validation) == max(scores)


def test_diverging_training_says_so(table: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"digits/tiny/topk/0.50/0: loss is not finite in epoch 1; lower"):
        trainer(table, lr=1e18, clip_grad=None, warmup_epochs=0).fit(tmp_path / "state", "x")


@pytest.mark.parametrize("selection", ["holdout", "last"])
@pytest.mark.parametrize("ema_decay", [None, 0.9])
@pytest.mark.parametrize(("lr", "found"), [(1e38, "weights|logits"), (3e38, "weights|logits")])
def test_a_training_that_breaks_in_its_last_step_says_so(
    selection: str, ema_decay: float | None, lr: float, found: str, table: str, tmp_path: Path
) -> None:
    """The loss of the only step is that of the weights before it, and finite."""
    broken = {"epochs": 1, "batch_size": 48, "warmup_epochs": 0, "lr_normalizer": 48, "min_lr": 0}
    learner = trainer(table, **broken, lr=lr, selection=selection, ema_decay=ema_decay, drop_path=0)
    with pytest.raises(Diverged, match=rf"digits/tiny/topk/0\.50/0: .*({found}).* infinite or NaN"):
        learner.fit(tmp_path / "state", "x")
    assert learner.history == []
    assert not (tmp_path / "state").exists()


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["empty", "truncated", "zeros", "flipped", "foreign"])
def test_a_damaged_state_is_set_aside(
    damage: str, table: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state.safetensors"
    expected = trainer(table, depth=2).fit(path, "same")
    whole = path.read_bytes()
    third = len(whole) // 3
    damaged = {
        "empty": b"",
        "truncated": whole[: len(whole) // 2],
        "zeros": bytes(len(whole)),
        "flipped": whole[:third] + bytes([whole[third] ^ 0x40]) + whole[third + 1 :],
        "foreign": save({"a": torch.zeros(9)}),
    }[damage]
    path.write_bytes(damaged)
    again = trainer(table, depth=2)
    with caplog.at_level(logging.WARNING):
        assert equal(again.fit(path, "same"), expected)
    assert [row["epoch"] for row in again.history] == [1, 2, 3]
    assert (tmp_path / "state.safetensors.damaged").read_bytes() == damaged
    assert str(path) in caplog.text
    assert "training starts from the beginning" in caplog.text


def test_augmentation_moves_and_keeps_pixels() -> None:
    pixels = torch.arange(3 * 32 * 32, dtype=torch.float32).remainder(251).to(torch.uint8)
    pixels = pixels.view(1, 3, 32, 32).repeat(64, 1, 1, 1)
    shifted = augment(pixels, Training(**{**SETTINGS, "color_jitter": 0}))
    assert shifted.shape == pixels.shape
    assert len({image.numpy().tobytes() for image in shifted}) > 10
    unshifted = [torch.equal(image, pixels[0]) for image in shifted]
    assert sum(unshifted) < len(unshifted)
    center = pixels[0, :, 16, 16]
    found = [(image[:, 14:19, 14:19] == center[:, None, None]).all(dim=0).any() for image in shifted]
    assert all(found), "the center moved by more than the largest shift"
    assert torch.equal(augment(pixels, Training(**{**SETTINGS, "max_shift": 0, "color_jitter": 0})), pixels)


@pytest.mark.slow
def test_train_job_writes_weights_and_history(table: str, tmp_path: Path) -> None:
    """Fine-tuning from weights in half precision; no state stays behind."""
    model = {"backbone": BACKBONE.model_dump(mode="json"), "options": {}, "locations": [3, 6]}
    weights = str(tmp_path / "vit.safetensors")
    run = {"dataset": "digits", "backbone": "tiny", "method": "none", "keep_rate": "1.00", "seed": 0}
    save_weights(build_model(Run(**run), BACKBONE, {}, (3, 6), 10), weights, {}, half=True)
    run |= {"method": "dynamicvit", "keep_rate": "0.50", "seed": 2**31}
    checkpoint = str(tmp_path / "run" / "0.safetensors")
    job = TrainJob(
        run=run,
        model=model,
        training=SETTINGS,
        code={"train": "c0"},
        pretrained=weights,
        keep_head=True,
        train_table=table,
        weights=checkpoint,
        history=str(tmp_path / "h.parquet"),
    )
    train(job)
    found = schemas.read(tmp_path / "h.parquet", schemas.HISTORY)
    assert found["epoch"].tolist() == [1, 2, 3]
    assert (found["extra_loss"] > 0).all()
    assert found["val_score"].notna().all()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["0.safetensors"]
