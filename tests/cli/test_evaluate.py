"""`tokred evaluate` on real files: what it finds with and without labels, and what it says of bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from PIL import Image
from timm.data import ImageNetInfo, create_transform, resolve_data_config
from typer.testing import CliRunner

import tokred
from tests.cli.pictures import MODEL, STAGES, write_classes, write_flat, write_weights
from tokred.cli.app import app
from tokred.efficiency import off_the_shelf
from tokred.models.pretrained import load_vit
from tokred.schedules import Stages
from tokred.schedules.macs import Shape, Site, forward_macs, reduced_blocks

COMMON = ("--schedule", STAGES, "--device", "cpu", "--batch-size", "4", "--workers", "1")


def call(*arguments: str, status: int = 0, columns: int = 100) -> Any:
    result = CliRunner().invoke(app, ["evaluate", *map(str, arguments)], env={"COLUMNS": str(columns)})
    assert result.exit_code == status, result.output
    return result


def evaluate(*arguments: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Conditions and rows."""
    found = json.loads(call(*arguments, *COMMON, "--json", "-").stdout)
    return found["conditions"], found["rows"]


@pytest.fixture(autouse=True)
def few_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Latency is measured, and its value does not matter here."""
    monkeypatch.setitem(off_the_shelf._LATENCY, "repeats", 2)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp("weights") / "w.safetensors")


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_classes(tmp_path_factory.mktemp("classes"))


def predictions(model: torch.nn.Module, paths: list[Path]) -> np.ndarray:
    """Classes of images, by timm's own transform, one by one."""
    transform = create_transform(**resolve_data_config({}, model=model), is_training=False)
    with torch.inference_mode():
        return np.array([
            int(model(transform(Image.open(path).convert("RGB")).unsqueeze(0)).argmax()) for path in paths
        ])  # fmt: skip


def test_accuracy_and_agreement(weights: Path, classes: Path, tmp_path: Path) -> None:
    table = tmp_path / "out.csv"
    conditions, rows = evaluate(
        MODEL, "-w", weights, "-i", classes, "-m", "topk", "-r", ".5,.9", "--csv", table
    )
    assert [(row["method"], row["keep_rate"]) for row in rows] == [
        ("none", None), ("topk", 0.5), ("topk", 0.9),
    ]  # fmt: skip
    paths = sorted(classes.rglob("*.*"))
    labels = np.repeat([0, 1, 2], 4)
    vit = load_vit(MODEL, weights).vit
    before = predictions(vit, paths)
    after = predictions(
        tokred.reduce(vit, "topk", schedule=Stages(keep_rate=".5", locations=(1, 3))).eval(), paths
    )
    assert rows[0]["accuracy"] == pytest.approx(100 * (before == labels).mean())
    assert rows[0]["agreement"] == 100
    assert rows[1]["accuracy"] == pytest.approx(100 * (after == labels).mean())
    assert rows[1]["loss"] == pytest.approx(rows[0]["accuracy"] - rows[1]["accuracy"])
    assert rows[1]["agreement"] == pytest.approx(100 * (after == before).mean())
    assert rows[1]["cosine"] < rows[2]["cosine"] < 1
    shape = Shape.of(vit)
    kept = reduced_blocks(shape, Site.WITHIN, {1: 50, 3: 25})
    assert rows[1]["macs"] == forward_macs(shape, kept).total
    assert rows[0]["macs"] == forward_macs(shape, shape.unreduced()).total
    assert rows[1]["tokens"] == [50, 25]
    for row in rows:
        assert row["images"] == 12
        assert row["batches"] == 3
        assert row["speedup_low"] <= row["speedup"] <= row["speedup_high"]
        assert min(row["images_per_second"], row["latency"], row["memory"]) > 0
    assert conditions["protocol"] == "head"
    assert conditions["model"] == MODEL
    written = pd.read_csv(table)
    assert list(written["method"]) == [row["method"] for row in rows]
    assert set(written["precision"]) == {"float32"}


@pytest.mark.slow
def test_without_labels(weights: Path, tmp_path: Path) -> None:
    _, rows = evaluate(MODEL, "-w", weights, "-i", write_flat(tmp_path), "-m", "topk")
    assert rows[1]["accuracy"] is rows[1]["loss"] is None
    assert 0 <= rows[1]["agreement"] <= 100
    assert rows[1]["keep_rate"] == 0.7


@pytest.mark.slow
def test_neighbors(weights: Path, tmp_path: Path) -> None:
    """Colors are easy to tell apart by features, whatever the classes are called."""
    images = write_classes(tmp_path / "images", ("a", "b"), each=3)
    conditions, rows = evaluate(MODEL, "-w", weights, "-i", images, "-m", "topk", "-r", ".9", "-k", "2")
    assert conditions["protocol"] == "neighbors"
    assert rows[0]["accuracy"] == rows[1]["accuracy"] == 100
    support = write_classes(tmp_path / "support", ("b", "a"), each=2)
    for name in ("a", "b"):  # swapped
        (support / name).rename(support / f"{name}_")
    (support / "a_").rename(support / "b")
    (support / "b_").rename(support / "a")
    conditions, rows = evaluate(
        MODEL, "-w", weights, "-i", images, "-m", "topk", "-k", "2", "--support", support
    )
    assert conditions["support"] == str(support)
    assert rows[0]["accuracy"] in (0, 100)
    text = call(MODEL, "-w", weights, "-i", images, "-m", "topk", "-k", "2", *COMMON).stdout
    joined = " ".join(text.split())
    assert "top-1 by 2 nearest neighbors of the features among all other images." in joined
    assert "Not by a classifier, as the model's classifier has 3 outputs, and the images have 2" in joined


@pytest.mark.slow
def test_classes_of_imagenet_by_their_names(tmp_path: Path) -> None:
    """Also a part of them, whose positions in the classifier are those of all."""
    wnids = [ImageNetInfo("imagenet-1k").label_names()[index] for index in (7, 300, 999)]
    images = write_classes(tmp_path / "val", tuple(wnids), each=1)
    weights = write_weights(tmp_path / "w.pth", num_classes=1000)
    vit = timm.create_model(MODEL)
    vit.load_state_dict(torch.load(weights)["model"])
    paths = [next((images / wnid).iterdir()) for wnid in wnids]
    expected = (predictions(vit.eval(), paths) == [7, 300, 999]).mean()
    conditions, rows = evaluate(MODEL, "-w", weights, "-i", images, "-m", "topk")
    assert conditions["protocol"] == "head"
    assert rows[0]["accuracy"] == pytest.approx(100 * expected)


@pytest.mark.slow
def test_random_weights_are_for_speed_alone(classes: Path) -> None:
    result = call(MODEL, "--random-weights", "-i", classes, "-m", "topk,sit", *COMMON, "--limit", "5")
    assert "Weights are random: only the speed says anything." in result.stdout
    assert "top-1" not in result.stdout
    assert "agree" not in result.stdout
    assert "sit" in result.stdout
    assert f"{MODEL}, 5 images of {classes}" in " ".join(result.stdout.split())  # maybe on two lines


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80, 100])
def test_the_table_fits(columns: int, weights: Path, classes: Path) -> None:
    result = call(MODEL, "-w", weights, "-i", classes, "-m", "topk", *COMMON, columns=columns)
    table = result.stdout.partition(" thread")[0].splitlines()[:-1]
    assert max(map(len, table)) <= columns
    assert result.stderr == ""
    for word in ("top-1", "loss", "agree", "GMACs", "speed-up", "float32", "timm"):
        assert word in result.stdout


@pytest.mark.slow
def test_schedules_without_keep_rate_and_all_methods(weights: Path, classes: Path) -> None:
    arguments = [MODEL, "-w", weights, "-i", classes, "-n", "4", "-m", "all", *COMMON]
    arguments[arguments.index(STAGES)] = "ratio:.4"
    text = call(*arguments).stdout
    assert "Without tome : schedule: keep 0.4 removes" in " ".join(text.split()).replace("tome:", "tome :")
    assert "\natc " in text
    assert "\nsinkhorn" not in text


@pytest.mark.slow
def test_methods_that_keep_other_numbers_of_each_image(weights: Path, classes: Path) -> None:
    _, rows = evaluate(MODEL, "-w", weights, "-i", classes, "-m", "topk,ats", "-r", ".5")
    assert 0 < rows[2]["macs"] <= rows[1]["macs"]


MISTAKES = {
    "folder": (("-i", "no/such"), "no/such: no such folder; expected images, or one folder per class"),
    "method": (("-m", "sit"), "'sit' cannot be used untrained, as its weights of tokens are "),
    "blocks": (("-s", "stages"), "location 6 of method 'topk': expected a block from 0 to 5"),
    "device": (("-d", "cuda:7"), "device 'cuda:7': torch finds no such device; possible here: auto, cpu"),
    "support": (
        ("--support", "{classes}"),
        "--support: only nearest neighbors need it: expected --protocol ",
    ),
    "protocol": (("--protocol", "best"), "--protocol 'best': expected auto, head, neighbors"),
    "weights": (("-w", "no.pth"), "no.pth: no such file; expected weights"),
}


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(mistake: str, weights: Path, classes: Path) -> None:
    more, message = MISTAKES[mistake]
    given = {"-w": weights, "-i": classes, "-m": "topk", "-s": STAGES, "-d": "cpu"}
    option, value = more
    given[option] = value.format(classes=classes) if option == "--support" else value
    result = call(MODEL, *(str(part) for pair in given.items() for part in pair), status=2)
    assert result.stderr.startswith(f"tokred: error: {message}")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_labels_that_do_not_fit(weights: Path, tmp_path: Path) -> None:
    images = write_classes(tmp_path, ("a", "b"), each=1)
    for folder, message in (
        (
            images,
            "--protocol head: the model's classifier has 3 outputs, and the images have 2 classes such as",
        ),
        (images / "a", "--protocol head: expected one folder per class, found images alone"),
    ):
        result = call(MODEL, "-w", weights, "-i", folder, "-m", "topk", "--protocol", "head", status=2)
        assert result.stderr.startswith(f"tokred: error: {message}")


@pytest.mark.slow
def test_unreadable_images(weights: Path, tmp_path: Path) -> None:
    """What was computed before is shown; on request they are left out and listed."""
    write_flat(tmp_path, 9)
    (tmp_path / "7.png").write_bytes(b"nothing")
    result = call(MODEL, "-w", weights, "-i", tmp_path, "-m", "topk", *COMMON, status=2)
    assert "1 of 9 images cannot be read" in result.stderr
    assert "--skip-unreadable leaves them out" in result.stderr
    assert f"incomplete: {MODEL}, 4 images" in result.stdout
    result = call(MODEL, "-w", weights, "-i", tmp_path, "-m", "topk", "--skip-unreadable", *COMMON)
    assert f"{MODEL}, 8 images" in result.stdout
    assert f"1 image was left out: {tmp_path}/7.png" in result.stdout


@pytest.mark.slow
def test_out_of_memory(weights: Path, classes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _limit_memory(monkeypatch, most=2)
    result = call(MODEL, "-w", weights, "-i", classes, "-m", "topk", *COMMON)
    assert "tokred: none: 4 images at a time do not fit into memory; going on with 2" in result.stderr
    assert f"{MODEL}, 12 images" in result.stdout
    assert "batches of 2" in result.stdout


def test_out_of_memory_at_last(weights: Path, classes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _limit_memory(monkeypatch, most=0, after=6)
    result = call(MODEL, "-w", weights, "-i", classes, "-m", "topk", *COMMON, status=2)
    assert "not even one image fits into the memory of cpu" in result.stderr
    assert f"incomplete: {MODEL}, 8 images" in result.stdout


@pytest.mark.slow
def test_out_of_memory_after_all_images(
    weights: Path, classes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While memory is measured: the table has what was found before."""

    def fail(*arguments: object) -> int:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    monkeypatch.setattr(off_the_shelf, "peak_memory", fail)
    result = call(MODEL, "-w", weights, "-i", classes, "-m", "topk", *COMMON, status=2)
    assert result.stderr == "tokred: error: CUDA out of memory\n"
    assert f"incomplete: {MODEL}, 12 images" in result.stdout


@pytest.mark.slow
def test_interruption(weights: Path, classes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    _limit_memory(monkeypatch, most=0, after=6, error=interrupt)
    result = call(MODEL, "-w", weights, "-i", classes, "-m", "topk", *COMMON, status=130)
    assert f"incomplete: {MODEL}, 8 images" in result.stdout
    assert "Incomplete: 8 of 12 images." in result.stdout
    assert "latency" not in result.stdout


def _limit_memory(monkeypatch: pytest.MonkeyPatch, most: int, after: int = 0, error: Any = None) -> None:
    """Passes of more images fail, from the one with a number on; the first two warm up."""
    from tokred.efficiency.side_by_side import SideBySide

    passes, count = SideBySide._pass, 0

    def fail(self: SideBySide, name: str, images: torch.Tensor) -> Any:
        nonlocal count
        count += 1
        if count > after and len(images) > most:
            if error is not None:
                error()
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return passes(self, name, images)

    monkeypatch.setattr(SideBySide, "_pass", fail)


def _heed_interrupts() -> None:
    """Tests that a shell runs in the background ignore them, and so would their children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
def test_a_signal_ends_the_program_with_a_table(weights: Path, tmp_path: Path) -> None:
    """While it waits for an image: the last is a pipe."""
    images = write_classes(tmp_path / "images")
    os.mkfifo(images / "red/9.png")
    command = [sys.executable, "-m", "tokred", "evaluate", MODEL, "-w", weights, "-i", images, "-m", "topk"]
    process = subprocess.Popen(
        [*map(str, command), *COMMON],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heed_interrupts,
    )
    with (images / "red/9.png").open("wb"):  # returns when the program reads the image
        time.sleep(5)  # for the images before it
        process.send_signal(signal.SIGINT)
        time.sleep(1)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "incomplete: test_vit, 12 images" in out
    assert "Traceback" not in err
