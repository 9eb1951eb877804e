"""Files that are no image table, and images that cannot be used."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data.tables import SINGLE, pixels, png, row, written
from tokred.data.image_table import ImageTable
from tokred.data.info import Row
from tokred.tables import schemas


def test_parquet_of_others(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"image_id": ["a"], "label": [0]}), path)
    with pytest.raises(ValueError, match=r"t\.parquet: not a table written by tokred"):
        ImageTable(path)


def test_another_table_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    schemas.write_rows(path, [], schemas.SCORES, {"code": "0", "dataset": "shapes"})
    with pytest.raises(ValueError, match=r"t\.parquet: holds scores, expected images"):
        ImageTable(path)


def test_not_parquet_at_all(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_text("image_id,label\na,0\n")
    with pytest.raises(ValueError, match="arquet"):
        ImageTable(tmp_path / "t.parquet")


@pytest.mark.parametrize("kept", [0, 4, 10, 20, 30, 40, 60, 100])
def test_truncated_png_names_file_and_image(tmp_path: Path, kept: int) -> None:
    whole = png(pixels(1))
    assert kept < len(whole) - 30
    rows = [row("fine", 0, 0), Row("broken", whole[:kept], "broken.png", 0)]
    stored = written(tmp_path / "t.parquet", SINGLE, rows)
    with pytest.raises(ValueError, match=r"t\.parquet: image 'broken' cannot be decoded"):
        stored.images()


def test_images_of_two_sizes(tmp_path: Path) -> None:
    rows = [row("a", 0, 0), row("b", 1, 0), row("c", 2, 0, size=(6, 5))]
    stored = written(tmp_path / "t.parquet", SINGLE, rows)
    assert [image.shape for _, image in stored] == [(7, 5, 3), (7, 5, 3), (6, 5, 3)]
    with pytest.raises(ValueError, match=r"t\.parquet: images are of 2 sizes, expected one"):
        stored.images()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_garbage_between_chunks(tmp_path: Path) -> None:
    whole = png(pixels(1))
    size = struct.unpack(">I", whole[33:37])[0]
    data = whole[41 : 41 + size]
    halves = chunk(b"IDAT", data[:40]), chunk(b"IDAT", data[40:])
    rest = whole[41 + size + 4 :]
    fine = whole[:33] + halves[0] + halves[1] + rest
    broken = whole[:33] + halves[0] + halves[1].replace(b"IDAT", b"\x01\x02\x03\x04") + rest
    rows = [Row("fine", fine, "fine.png", 0), Row("broken", broken, "broken.png", 0)]
    stored = iter(written(tmp_path / "t.parquet", SINGLE, rows))
    np.testing.assert_array_equal(next(stored)[1], pixels(1))
    with pytest.raises(ValueError, match=r"t\.parquet: image 'broken' cannot be decoded"):
        next(stored)


def test_damaged_header_names_file_and_image(tmp_path: Path) -> None:
    whole = bytearray(png(pixels(1)))
    whole[11] ^= 1  # the header's length: 12 bytes instead of 13
    stored = written(tmp_path / "t.parquet", SINGLE, [Row("broken", bytes(whole), "broken.png", 0)])
    with pytest.raises(ValueError, match=r"t\.parquet: image 'broken' cannot be decoded"):
        stored.images()
