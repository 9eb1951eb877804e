"""The commands `tokred evaluate` and `tokred benchmark`: what they add to the models that they run."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from torch import Tensor

from benchmarks.calls import ROOT
from benchmarks.models import Setting
from benchmarks.row import Goal, Row, Scale
from tokred.data.image_files import ImageFiles, ImageReader, Preprocessing, list_images
from tokred.efficiency.judging import Configuration, match_labels
from tokred.efficiency.off_the_shelf import Trial
from tokred.models.pretrained import LoadedVit, load_vit
from tokred.run import UNREDUCED
from tokred.schedules import Stages

_CPU = torch.device("cpu")
_PASSES, _START = Goal(">=", 95), Goal("<=", 15)
#: Height and width of the files, about ImageNet's.
_HEIGHT, _WIDTH = 375, 500


def measure(scale: Scale) -> Iterator[Row]:
    """Passes of images with decoding against without, and the time from a command to its first result."""
    setting = Setting.of(scale)
    files = list_images(_photographs(scale.folder, setting.batch * scale.of(4, 2)))
    loaded = load_vit(setting.name, random=True, image_size=setting.image_size)
    stages = {UNREDUCED: Stages("1.00"), "topk": Stages("0.50")}
    chosen = [Configuration(name, "", loaded.reduced(name, stage)) for name, stage in stages.items()]
    decoded = _decoded(files, loaded, setting.batch)
    found = []
    for _ in range(scale.of(3, 1)):
        found.append(_bare(chosen, decoded) / _evaluate(chosen, loaded, files, setting.batch))
    note = f"{len(files)} JPEG files of {_WIDTH} x {_HEIGHT} pixels, the unreduced model and topk, r = 0.50"
    yield Row("evaluate, passes of images", 100 * statistics.median(found), "% of a bare loop", _PASSES, note)
    # Of the bare loop all passes but the first count.
    passes = _bare(chosen[:1], decoded) * len(decoded) / (len(decoded) - 1)
    share = 100 * _seconds_of_reading(files, loaded) / passes
    yield Row("evaluate, reading images", share, "% of the unreduced model's time", None, "one thread")
    arguments = (setting.name, "--image-size", str(setting.image_size), "--methods", "topk")
    seconds = [first_result("benchmark", *arguments) for _ in range(scale.of(3, 1))]
    yield Row("benchmark, first result", statistics.median(seconds), "s", _START, "wall time of the process")


def first_result(*arguments: str) -> float:
    """Seconds from the start of the program to the first line with images per second."""
    command = [sys.executable, "-m", "tokred", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8", env=environment
    ) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "images/s" in line:
                seconds = time.perf_counter() - start
                process.terminate()
                return seconds
    raise RuntimeError(f"{' '.join(command)} had no result: {''.join(lines)}")


def _photographs(folder: Path, count: int) -> Path:
    """A folder of JPEG files, pieces of photographs."""
    rng, target = np.random.default_rng(0), folder / "photographs"
    target.mkdir()
    photo = load_sample_image("china.jpg")
    for index in range(count):
        y, x = (
            int(rng.integers(size - kept)) for size, kept in zip(photo.shape, (_HEIGHT, _WIDTH), strict=False)
        )
        Image.fromarray(photo[y : y + _HEIGHT, x : x + _WIDTH]).save(target / f"{index:04d}.jpg", quality=90)
    return target


def _decoded(files: ImageFiles, loaded: LoadedVit, batch: int) -> list[Tensor]:
    """Batches of normalized images."""
    preprocessing = Preprocessing.of(loaded.vit)
    reader = ImageReader(files, preprocessing.pixels(), 1)
    return [preprocessing.normalize(part.pixels, _CPU) for part in reader.batches(batch)]


def _seconds_of_reading(files: ImageFiles, loaded: LoadedVit) -> float:
    start = time.perf_counter()
    _decoded(files, loaded, len(files))
    return time.perf_counter() - start


def _evaluate(chosen: Sequence[Configuration], loaded: LoadedVit, files: ImageFiles, batch: int) -> float:
    """Seconds of all passes but the first, in `tokred evaluate`."""
    ends: list[float] = []
    trial = Trial(
        loaded=loaded,
        configurations=chosen,
        files=files,
        labels=match_labels("auto", files.labels, files.classes, loaded.vit),
        preprocessing=Preprocessing.of(loaded.vit),
        device=_CPU,
        batch_size=batch,
        workers=os.cpu_count() or 1,
        progress=lambda count: ends.append(time.perf_counter()),
    )
    trial.run()
    return ends[-1] - ends[0]


def _bare(chosen: Sequence[Configuration], batches: Sequence[Tensor]) -> float:
    """Seconds of all passes but the first, in a loop over decoded images."""
    ends: list[float] = []
    calls: list[Callable[[Tensor], Tensor]] = [each.model for each in chosen]
    with torch.inference_mode():
        for images in batches:
            for call in calls:
                call(images)
                ends.append(time.perf_counter())
    return ends[-1] - ends[0]
