"""Images in any order, from packed tables and in place, in this process and in others."""

from __future__ import annotations

import multiprocessing
import pickle
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.data.tables import SINGLE, pixels, png, row, written
from tokred.data import writing
from tokred.data.image_table import ImageTable
from tokred.data.info import Row


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImageTable:
    monkeypatch.setattr(writing, "GROUP", 2)
    return written(tmp_path / "t.parquet", SINGLE, [row(f"i{n}", n, n % 3) for n in range(7)])


def in_place(folder: Path, count: int) -> list[Row]:
    """Rows of files in a folder with a name that is not easy."""
    folder = folder / "my pictures, größer"
    folder.mkdir()
    for index in range(count):
        (folder / f"{index} é.png").write_bytes(png(pixels(index)))
    return [Row(f"i{index}", None, str(folder / f"{index} é.png"), index % 3) for index in range(count)]


def test_row_groups_are_bounded_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(f"i{n}", n, 0, size=(40, 40)) for n in range(9)]
    monkeypatch.setattr(writing, "GROUP_BYTES", 2 * len(rows[0].data) + 100)
    stored = written(tmp_path / "t.parquet", SINGLE, rows)
    footer = pq.read_metadata(tmp_path / "t.parquet")
    assert [footer.row_group(i).num_rows for i in range(footer.num_row_groups)] == [2, 2, 2, 2, 1]
    for index in (8, 0, 5, 4):
        np.testing.assert_array_equal(np.asarray(stored.image(index)), pixels(index, (40, 40)))
    assert [name for name, _ in stored] == [f"i{n}" for n in range(9)]


def test_an_image_larger_than_a_row_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "GROUP_BYTES", 10)
    stored = written(tmp_path / "t.parquet", SINGLE, [row("a", 0, 0), row("b", 1, 1)])
    np.testing.assert_array_equal(stored.images(), np.stack([pixels(0), pixels(1)]))


def test_references_are_read_in_place(tmp_path: Path) -> None:
    rows = in_place(tmp_path, 5)
    stored = written(tmp_path / "t.parquet", SINGLE, rows)
    assert pq.read_table(tmp_path / "t.parquet")["image"].to_pylist() == [
        {"bytes": None, "path": row.path} for row in rows
    ]
    for index in (3, 0, 4):
        np.testing.assert_array_equal(np.asarray(stored.image(index)), pixels(index))
    np.testing.assert_array_equal(stored.images(), np.stack([pixels(n) for n in range(5)]))


def test_a_file_that_has_gone_is_named(tmp_path: Path) -> None:
    rows = in_place(tmp_path, 2)
    stored = written(tmp_path / "t.parquet", SINGLE, rows)
    Path(rows[1].path).unlink()
    assert stored.image(0).size == (5, 7)
    with pytest.raises(ValueError, match=r"t\.parquet: image 'i1' cannot be decoded: .*größer/1 é\.png"):
        stored.image(1)


def test_a_pickled_table_reads_on(packed: ImageTable) -> None:
    packed.image(3)  # opens the file
    copy = pickle.loads(pickle.dumps(packed))
    assert copy.info == packed.info
    for index in (6, 3, 0):
        np.testing.assert_array_equal(np.asarray(copy.image(index)), pixels(index))


def _worker(table: ImageTable, index: int, queue: multiprocessing.SimpleQueue) -> None:
    queue.put(np.asarray(table.image(index)))


def test_workers_read_for_themselves(packed: ImageTable) -> None:
    packed.image(3)  # the parent has the file open, and a row group
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    worker = context.Process(target=_worker, args=(packed, 6, queue))
    worker.start()
    np.testing.assert_array_equal(queue.get(), pixels(6))
    worker.join()
    assert worker.exitcode == 0
    np.testing.assert_array_equal(np.asarray(packed.image(2)), pixels(2))


def test_another_process_opens_the_file_anew(packed: ImageTable, monkeypatch: pytest.MonkeyPatch) -> None:
    packed.image(0)
    mine = packed._reader
    packed.image(5)
    assert packed._reader is mine
    monkeypatch.setattr("tokred.data.image_table.os.getpid", lambda: -1)
    packed.image(0)
    assert packed._reader is not mine


MODES = {"plain.jpg": "RGB", "turned.jpg": "RGB", "grey.jpg": "L", "cmyk.jpg": "CMYK"}
MODES |= {"palette.png": "P", "alpha.png": "RGBA", "bits.png": "1"}


def test_all_kinds_become_rgb_and_orientation_is_ignored(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:16, :24]
    picture = Image.fromarray(np.stack([rows * 15, columns * 10, 255 - rows * 9], -1).astype(np.uint8))
    turned = Image.Exif()
    turned[0x0112] = 6  # "rotate by 90 degrees to show"
    images = []
    for name, mode in MODES.items():
        file = tmp_path / name
        picture.convert(mode).save(file, **({"exif": turned} if name == "turned.jpg" else {}))
        images += [Row(name, None, str(file), 0), Row(f"packed {name}", file.read_bytes(), name, 0)]
    stored = written(tmp_path / "t.parquet", SINGLE, images)
    decoded = dict(stored)
    for name, mode in MODES.items():
        with Image.open(tmp_path / name) as opened:
            assert opened.mode == mode
            expected = np.asarray(opened.convert("RGB"))
        assert expected.shape == (16, 24, 3)
        np.testing.assert_array_equal(decoded[name], expected)
        np.testing.assert_array_equal(decoded[f"packed {name}"], expected)
    assert {stored.image(index).mode for index in range(len(stored))} == {"RGB"}
    np.testing.assert_array_equal(decoded["turned.jpg"], decoded["plain.jpg"])
    assert (decoded["grey.jpg"] == decoded["grey.jpg"][..., :1]).all()
    for name in ("plain.jpg", "cmyk.jpg", "palette.png", "alpha.png"):
        assert np.abs(decoded[name] - np.asarray(picture, dtype=float)).mean() < 20, name
