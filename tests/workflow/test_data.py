"""A study of a user's own images: five lines of configuration, and possible mistakes."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.data import trees
from tests.typical import slow_rows_after_first
from tests.workflow.conftest import ROOT, call, overlay, planned
from tokred.data.image_table import ImageTable
from tokred.tables import schemas

README = (ROOT / "README.md").read_text(encoding="utf-8")

PETS = {"adapter": "image_folder", "options": {"root": "my pets"}}
TABLE = "results/mine/datasets/{}/train.parquet"
TABLE_1 = "results/{}/tables/table1.csv"


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """Arguments of Snakemake for a study of two data sets, one of them below the study's `data`."""
    others = {"adapter": "image_folder", "options": {"root": str(tmp_path / "others")}}
    study = {"study": "mine", "settings": {"datasets": {"pets": PETS, "others": others}}}
    study |= {"datasets": ["pets", "others"]}
    config = overlay(tmp_path, "mine", study)
    return ["--configfile", str(ROOT / "config.yaml"), config, "--config", f"data={tmp_path}/data"]


def test_tables_and_wrong_layouts(tmp_path: Path, arguments: list[str]) -> None:
    made = trees.class_folders(tmp_path / "data/my pets/train", {"cat": ["1 é.jpg"], "dog": ["2.jpg"]})
    trees.class_folders(tmp_path / "others/training", {"cat": ["1.jpg"]})
    done = call(tmp_path, TABLE.format("pets"), TABLE.format("others"), "--keep-going", *arguments)
    printed = done.stdout + done.stderr
    assert done.returncode == 1
    assert f"ValueError: data set folder {tmp_path}/others: expected train/; found training/" in printed
    table = ImageTable(tmp_path / TABLE.format("pets"))
    assert (table.info.dataset, table.info.classes) == ("pets", ("cat", "dog"))
    stored = pq.read_table(table.path)["image"].to_pylist()
    folder = tmp_path / "data/my pets/train"
    assert stored == [{"bytes": None, "path": str(folder / name)} for name in made]
    assert list(tmp_path.rglob("*.parquet")) == [table.path]
    again = call(tmp_path, "--dry-run", TABLE.format("pets"), *arguments)
    assert "Nothing to be done" in again.stdout + again.stderr


def test_missing_folder_is_an_error_before_any_job(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "data").mkdir()
    planned = call(tmp_path, "--dry-run", TABLE.format("pets"), *arguments)
    assert planned.returncode == 0, "a dry run needs no data"
    done = call(tmp_path, TABLE.format("pets"), *arguments)
    assert done.returncode == 1
    printed = done.stdout + done.stderr
    assert f"data set folder {tmp_path}/data/my pets does not exist; {tmp_path}/data has nothing" in printed
    assert "Job stats" not in printed


def block(marker: str) -> str:
    """The one YAML example of the README that contains a text."""
    (found,) = [text for text in re.findall(r"```yaml\n(.*?)```", README, re.S) if marker in text]
    return found


def assorted(folder: Path) -> Path:
    """Pictures of two classes, dark and bright, of all sizes and in several formats."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 9), ("test", 4)):
        for level, name in ((60, "cat"), (190, "größer dog")):
            for index in range(count):
                size = (int(rng.integers(1, 90)), int(rng.integers(1, 90)), 3)
                picture = Image.fromarray(rng.normal(level, 20, size).clip(0, 255).astype(np.uint8))
                suffix, mode = [("jpg", "RGB"), ("png", "RGBA"), ("png", "L"), ("jpg", "CMYK")][index % 4]
                path = folder / "pets" / split / name / f"{index}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                picture.convert(mode).save(path)
    return folder


#: Less of it, for a test: two methods and one keep rate in the smaller backbone.
FEW = {"methods": ["topk", "tome"], "keep_rates": [0.5], "backbones": ["vit_nano"]}


def test_the_readmes_own_images_train(tmp_path: Path) -> None:
    assorted(tmp_path)
    text = block("adapter: image_folder")
    assert len(text.splitlines()) == 5
    (tmp_path / "pets.yaml").write_text(text, encoding="utf-8")
    planned_alone = call(tmp_path, "--dry-run", "--configfile", "pets.yaml")
    assert planned_alone.returncode == 0, planned_alone.stdout + planned_alone.stderr
    assert planned(planned_alone.stdout + planned_alone.stderr)["train"] == 78
    few = overlay(tmp_path, "few", FEW)
    done = call(tmp_path, TABLE_1.format("pets"), "--configfile", "pets.yaml", few)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    scores = schemas.read(sorted((tmp_path / "results/pets/scores").rglob("*.parquet")), schemas.SCORES)
    assert sorted(scores["method"]) == ["none", "tome", "topk"]
    assert set(scores["n"]) == {8}
    # Of thirty epochs with dark and bright pictures; a guess has 50 %.
    assert scores["score"].min() > 80
    history = pd.read_parquet(tmp_path / "results/pets/history/pets/vit_nano/topk/0.50/0.parquet")
    assert (len(history), bool(np.isfinite(history["train_loss"]).all())) == (30, True)
    log = (tmp_path / "results/pets/logs/train/pets/vit_nano/topk/0.50/0.log").read_text(encoding="utf-8")
    assert "batch_size 32 exceeds the 18 training images: using batches of 18" in log
    assert "18 images streamed from files and resized to 30 x 30; 30 epochs in batches of 18" in log
    assert "augmentation: crop random, flip 0.5" in log
    again = call(tmp_path, TABLE_1.format("pets"), "--dry-run", "--configfile", "pets.yaml", few)
    assert "Nothing to be done" in again.stdout + again.stderr
    # Another test split is evaluated, and trains nothing.
    forced = ("--forcerun", "results/pets/datasets/pets/test.parquet")
    anew = call(tmp_path, TABLE_1.format("pets"), "--dry-run", *forced, "--configfile", "pets.yaml", few)
    jobs = planned(anew.stdout + anew.stderr)
    assert ("train" in jobs, jobs["extract"], jobs["prepare"]) == (False, 3, 1)


def test_two_folders_without_labels(tmp_path: Path) -> None:
    assorted(tmp_path / "one")
    assorted(tmp_path / "two")
    described = {name: {**PETS, "options": {"root": f"{name}/pets"}} for name in ("one", "two")}
    study = {**FEW, "study": "own", "datasets": ["one", "two"], "settings": {"datasets": described}}
    study["training"] = {"epochs": 1}
    targets = [f"results/own/tables/table{number}.csv" for number in (1, 3)]
    done = call(tmp_path, *targets, "--configfile", overlay(tmp_path, "own", study))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found = [list(pd.read_csv(tmp_path / target, index_col=0).columns) for target in targets]
    assert found == [["one 50%", "two 50%"], ["one", "two"]]


@pytest.mark.parametrize(
    ("split", "folder", "message"),
    slow_rows_after_first(
        [
            ("train", "größer dog", "expected two classes or more, found only 'cat'"),
            ("train", None, "pets/train: expected one folder per class, found nothing"),
            ("test", "cow", "folder 'cow' is none of the 2 classes of the data set: cat, größer dog"),
        ]
    ),
)
def test_what_cannot_be_learned_is_said_before_the_first_training(
    tmp_path: Path, split: str, folder: str | None, message: str
) -> None:
    assorted(tmp_path)
    if split == "test":
        (tmp_path / "pets/test/cat").rename(tmp_path / "pets/test" / folder)
    else:
        for name in ("cat", "größer dog") if folder is None else (folder,):
            for part in ("train", "test"):
                shutil.rmtree(tmp_path / "pets" / part / name)
    (tmp_path / "pets.yaml").write_text(block("adapter: image_folder"), encoding="utf-8")
    files = ("--configfile", "pets.yaml", overlay(tmp_path, "few", FEW))
    done = call(tmp_path, TABLE_1.format("pets"), "--keep-going", *files)
    assert done.returncode == 1
    assert message in done.stdout + done.stderr
    assert not (tmp_path / "results/pets/logs/train").exists()


def test_own_masks_lead_to_object_recall(tmp_path: Path) -> None:
    """Of two data sets one has masks, of three of its eight test images."""
    for name in ("plain", "masked"):
        assorted(tmp_path / name)
    for index in (0, 1, 2):
        (image,) = (tmp_path / "masked/pets/test/cat").glob(f"{index}.*")
        with Image.open(image) as picture:
            width, height = picture.size
        mask = np.zeros((height, width), np.uint8)
        mask[: height // 2 + 1] = 255
        (tmp_path / "masked/pets/masks/test/cat").mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(tmp_path / f"masked/pets/masks/test/cat/{index}.png")
    described = {
        "plain": {**PETS, "options": {"root": "plain/pets"}},
        "masked": {**PETS, "options": {"root": "masked/pets", "masks_folder": "masks"}},
    }
    study = {**FEW, "study": "own", "datasets": list(described), "settings": {"datasets": described}}
    study["training"] = {"epochs": 1}
    config = overlay(tmp_path, "own", study)
    arguments = ["--configfile", str(ROOT / "config.yaml"), config, "--config", f"data={tmp_path}"]
    done = call(tmp_path, "results/own/figures/objects.png", *arguments)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    made = [path.relative_to(tmp_path / "results/own/metrics") for path in tmp_path.rglob("metrics/*/*/*/*")]
    assert made == [Path("object_recall/masked/vit_nano/0.parquet")]
    rows = schemas.read(tmp_path / "results/own/metrics" / made[0], schemas.OBJECT_RECALL)
    assert rows.groupby("method")["metric"].unique().str[0].to_dict() == {
        "tome": "object_purity",
        "topk": "object_recall",
    }
    assert rows[["n", "left_out"]].drop_duplicates().to_numpy().tolist() == [[3, 5]]
    # Half of the tokens are kept at the first of three stages, and half of each picture is the object.
    assert rows.query("method == 'topk'")["chance"].tolist() == pytest.approx([0.5, 0.25, 0.12])
