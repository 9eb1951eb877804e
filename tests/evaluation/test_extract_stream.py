"""Extraction of streamed images: the same tables, in memory that does not grow with them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from tests.evaluation.files import outputs
from tests.training.pictures import CENTER, SMALL, table
from tokred.data.info import Row, TableInfo
from tokred.data.streamed import Stream
from tokred.data.writing import write
from tokred.evaluation.extract import extract
from tokred.evaluation.job import extract_run
from tokred.models.factory import build_model
from tokred.models.vision_transformer import ReducedVisionTransformer
from tokred.models.weights import save_weights
from tokred.run import Run
from tokred.settings.jobs import Network
from tokred.tables import schemas
from tokred.tables.patterns import fixed_lists

RUN = Run("pictures", "small", "topk", "0.50", 0)
MODEL = Network(backbone=SMALL, locations=[1, 2]).model_dump(mode="json")
# Python 3.12 warns of any fork in a process with threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.mark.parametrize("task", ["single", "multi"])
def test_tables_of_a_stream(task: str, tmp_path: Path) -> None:
    path, checkpoint = table(tmp_path / "test.parquet", 19, task, "test"), str(tmp_path / "0.safetensors")
    model = build_model(RUN, SMALL, {}, (1, 2), 5).eval()
    save_weights(model, checkpoint, {"run": asdict(RUN), "model": MODEL})
    found = {}
    for workers, precision in ((0, "float32"), (2, "float32"), (0, "bfloat16")):
        folder = tmp_path / f"{workers}{precision}"
        files, hardware = asdict(outputs(folder)), {"device": "cpu", "workers": workers}
        job = {"run": asdict(RUN), "model": MODEL, "images": CENTER, "hardware": hardware}
        job |= {"weights": checkpoint, "test_table": path, "batch_size": 4, "precision": precision}
        extract_run({**job, **files})
        stored = pq.read_table(files["predictions"])
        assert stored["image_id"].to_pylist() == [f"test-{i}" for i in range(19)]
        assert schemas.read(files["score"], schemas.SCORES)["n"].tolist() == [19]
        found[workers, precision] = fixed_lists(stored, "logits")
    stream = Stream.read(path, SMALL, CENTER, 0)
    with torch.no_grad():
        expected = torch.cat([model(inputs) for inputs, _ in stream.batches(19)])
    np.testing.assert_allclose(found[0, "float32"], expected, atol=1e-5)
    assert np.array_equal(found[2, "float32"], found[0, "float32"])
    assert not np.array_equal(found[0, "bfloat16"], found[0, "float32"])
    np.testing.assert_allclose(found[0, "bfloat16"], expected, atol=0.1)


def test_memory_that_does_not_suffice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def trace(self: ReducedVisionTransformer, x: torch.Tensor, blocks: Sequence[int]) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB.")

    monkeypatch.setattr(ReducedVisionTransformer, "trace", trace)
    stream = Stream.read(table(tmp_path / "test.parquet", 9), SMALL, CENTER, 0)
    model = build_model(RUN, SMALL, {}, (1, 2), 5)
    expected = r"4 images at a time do not fit .* set `evaluation_batch_size` to less than 4"
    with pytest.raises(ValueError, match=expected):
        extract(model, RUN, SMALL, stream, 4, outputs(tmp_path / "out"), {})
    assert list((tmp_path / "out").iterdir()) == []


def plain_pictures(path: Path, count: int) -> Stream:
    """Many pictures of 64 x 64 that take next to no room as files, and 12 KiB each as pixels."""

    def rows() -> Iterator[Row]:
        for index in range(count):
            stored = io.BytesIO()
            Image.new("RGB", (64, 64), (index % 256, 0, 0)).save(stored, "PNG")
            yield Row(str(index), stored.getvalue(), f"{index}.png", index % 5)

    write(path, TableInfo("plain", "test", "single", tuple("abcde")), rows())
    return Stream.read(str(path), SMALL.model_copy(update={"image_size": 64, "patch_size": 16}), CENTER, 0)


def peak(images: Stream, folder: Path) -> int:
    """KiB by which the process grows at most while it extracts."""
    model = build_model(RUN, images.backbone, {}, (1, 2), 5)

    def status(name: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name))

    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = status("VmRSS:")
    extract(model, RUN, images.backbone, images, 16, outputs(folder), {})
    return status("VmHWM:") - before


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells the peak of memory")
def test_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    few, many = (plain_pictures(tmp_path / str(count), count) for count in (64, 1536))
    peak(few, tmp_path / "first")  # what is loaded once
    small, large = peak(few, tmp_path / "few"), peak(many, tmp_path / "many")
    pixels = 1536 * 3 * 64 * 64 * 4 / 1024  # of all images as they are fed to the network: 72 MiB
    assert large < small + pixels / 3
