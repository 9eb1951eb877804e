"""A training fits its images: batches not larger than the split, and classes that are the same everywhere."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from safetensors import safe_open

from tests.data import trees
from tests.data.trees import table_of
from tokred.data.info import TableInfo
from tokred.data.writing import write
from tokred.evaluation.job import extract_run
from tokred.models import shipped
from tokred.settings import Hardware, ImageAccess, Training
from tokred.settings.jobs import ExtractJob
from tokred.tables import schemas
from tokred.training.fit import describe, fit_batch_size
from tokred.training.job import train

KWARGS = {"embed_dim": 48, "num_heads": 3, "weight_init": "jax"}
BACKBONE = {"model": "vit_tiny_patch16_224", "image_size": 30, "patch_size": 3, "kwargs": KWARGS}
MODEL = {"backbone": BACKBONE, "options": {}, "locations": [3, 6, 9]}
RUN = {"dataset": "mine", "backbone": "vit_nano", "method": "topk", "keep_rate": "0.50", "seed": 0}
STREAM = {"source": "stream"}
OUTPUTS = ("predictions", "patterns", "features", "score")
JOB = {"run": RUN, "model": MODEL, "images": STREAM, "keep_head": False}


def extraction(checkpoint: str, table: str, outputs: dict[str, str]) -> ExtractJob:
    files = {"weights": checkpoint, "test_table": table, **outputs}
    return ExtractJob(run=RUN, model=MODEL, images=STREAM, batch_size=8, **files)


SETTINGS = {"epochs": 1, "warmup_epochs": 0, "batch_size": 32, "lr": 0.001, "lr_normalizer": 32}
SETTINGS |= {"ema_decay": None, "selection": "last", "crop": "random", "flip": 0.5}


@pytest.mark.parametrize(
    ("count", "hardware", "processes", "changes", "expected"),
    [
        (32, {}, 1, {}, 32),
        (33, {}, 1, {}, 32),
        (31, {}, 1, {}, 31),
        (1, {}, 1, {}, 1),
        (31, {}, 2, {}, 30),
        (31, {"micro_batch_size": 8}, 1, {}, 24),
        (31, {"micro_batch_size": 8}, 3, {}, 24),
        (7, {"micro_batch_size": 8}, 1, {}, 7),
        (31, {}, 1, {"mixup": 0.8}, 30),
    ],
)
def test_batch(count: int, hardware: dict, processes: int, changes: dict, expected: int) -> None:
    found = fit_batch_size(Training(**{**SETTINGS, **changes}), count, Hardware(**hardware), processes)
    assert found == Training(**{**SETTINGS, **changes, "batch_size": expected})


def test_learning_rate_follows_the_batch() -> None:
    found = [fit_batch_size(Training(**SETTINGS), count, Hardware(), 1) for count in (100, 16)]
    assert [f.lr * f.batch_size / f.lr_normalizer for f in found] == pytest.approx([0.001, 0.0005])


@pytest.mark.parametrize(("count", "processes", "mixup"), [(3, 4, 0.0), (1, 1, 0.8)])
def test_too_few_images(count: int, processes: int, mixup: float) -> None:
    with pytest.raises(ValueError, match=rf"^{count} training images are too few for {processes} process"):
        fit_batch_size(Training(**SETTINGS, mixup=mixup), count, Hardware(), processes)


def test_the_log_says_what_is_done() -> None:
    access = ImageAccess(source="stream")
    assert describe(Training(**{**SETTINGS, "batch_size": 16}), access, 32, 1700) == (
        "1,700 images streamed from files and resized to 32 x 32; 1 epochs in batches of 16, learning "
        "rate 0.0005; augmentation: crop random, flip 0.5"
    )
    memory = Training(max_shift=2, batch_size=64, lr_normalizer=64)
    assert describe(memory, ImageAccess(), 32, 640).endswith("learning rate 0.001; augmentation: max_shift 2")
    assert describe(memory, ImageAccess(), 32, 640).startswith(
        "640 images in memory, of 32 x 32 pixels; 30 ep"
    )


@pytest.fixture
def pets(tmp_path: Path) -> dict[str, str]:
    """Prepared tables of a folder with fewer images than a batch."""
    for split in ("train", "test"):
        trees.class_folders(tmp_path / "pets" / split, {"cat": ["1.jpg", "2.jpg"], "dog": ["3.jpg"]})
    return {
        split: str(table_of("image_folder", tmp_path / "pets", split).path) for split in ("train", "test")
    }


def trained(folder: Path, table: str, **changes: object) -> str:
    checkpoint, weights = str(folder / "c.safetensors"), str(shipped.path("vit_nano"))
    settings = Training(**{**SETTINGS, **changes}).model_dump()
    outputs = {"weights": checkpoint, "history": str(folder / "h.parquet")}
    train({**JOB, "training": settings, "pretrained": weights, "train_table": table, **outputs})
    return checkpoint


def test_fewer_images_than_a_batch_train(
    tmp_path: Path, pets: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        checkpoint = trained(tmp_path, pets["train"])
    assert "batch_size 32 exceeds the 3 training images: using batches of 3" in caplog.text
    assert "3 images streamed from files and resized to 30 x 30; 1 epochs in batches of 3" in caplog.text
    with safe_open(checkpoint, "pt") as file:
        facts = json.loads(file.metadata()["tokred"])
    assert (facts["classes"], facts["training"]["batch_size"]) == (["cat", "dog"], 32)
    outputs = {name: str(tmp_path / f"{name}.parquet") for name in OUTPUTS}
    extract_run(extraction(checkpoint, pets["test"], outputs))
    assert schemas.read(outputs["score"], schemas.SCORES)["n"].tolist() == [3]


def test_a_schedule_is_trained_and_extracted(tmp_path: Path, pets: dict[str, str]) -> None:
    """It is stored with the weights, which no model with another schedule takes."""
    scheduled = {**MODEL, "schedule": {"kind": "constant", "number": 6}}
    checkpoint, weights = str(tmp_path / "c.safetensors"), str(shipped.path("vit_nano"))
    files = {"weights": checkpoint, "history": str(tmp_path / "h.parquet"), "train_table": pets["train"]}
    settings = Training(**SETTINGS).model_dump()
    train({**JOB, "model": scheduled, "training": settings, "pretrained": weights, **files})
    with safe_open(checkpoint, "pt") as file:
        stored = json.loads(file.metadata()["tokred"])["model"]
    assert (stored["schedule"]["kind"], stored["schedule"]["number"]) == ("constant", 6)
    outputs = {name: str(tmp_path / f"{name}.parquet") for name in OUTPUTS}
    job = extraction(checkpoint, pets["test"], outputs)
    with pytest.raises(ValueError, match=r"c\.safetensors: is of model\.schedule\.\w+ .*, expected no"):
        extract_run(job)
    extract_run({**job.model_dump(mode="json"), "run": RUN, "model": scheduled})
    assert schemas.metadata(outputs["patterns"])["kept"] == [76, 58, 40]


@pytest.mark.parametrize("classes", [("dog", "cat"), ("cat", "dog", "owl"), ("cat", "cow")])
def test_other_classes_are_refused(tmp_path: Path, pets: dict[str, str], classes: tuple[str, ...]) -> None:
    from tests.data.tables import row

    other = str(tmp_path / "other.parquet")
    write(other, TableInfo("mine", "test", "single", classes), [row("a", 0, 1)])
    outputs = {name: str(tmp_path / f"{name}.parquet") for name in OUTPUTS}
    checkpoint = trained(tmp_path, pets["train"], epochs=0)
    if len(classes) == 2:
        with pytest.raises(
            ValueError, match=r"other\.parquet: its classes are not those of .*c\.safetensors: label"
        ):
            extract_run(extraction(checkpoint, other, outputs))
    settings = Training(**{**SETTINGS, "selection": "test"}).model_dump()
    names = {"weights": "other.safetensors", "history": "other.history.parquet"}
    paths = {name: str(tmp_path / file) for name, file in names.items()}
    job = {**JOB, "training": settings, "pretrained": str(shipped.path("vit_nano")), **paths}
    with pytest.raises(
        ValueError, match=r"other\.parquet: its classes are not those of .*train\.parquet: label"
    ):
        train({**job, "train_table": pets["train"], "test_table": other})
    assert not any(Path(path).exists() for path in paths.values())
