"""The image table: what is written is read back, and what is wrong is refused with a message that helps."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data.tables import MULTI, SINGLE, pixels, png, row, written
from tokred.data import writing
from tokred.data.image_table import ImageTable
from tokred.data.info import Row, TableInfo


def test_reading_labels_loads_no_pandas(tmp_path: Path) -> None:
    """A training starts with it, and loading pandas takes longer than reading does."""
    for name, info, label in (("single", SINGLE, 1), ("multi", MULTI, [0, 2])):
        written(tmp_path / name, info, [row("a", 0, label)])
        code = "import sys; from tokred.data.image_table import ImageTable; ImageTable(sys.argv[1]); "
        call = [sys.executable, "-c", code + "print('pandas' in sys.modules)", str(tmp_path / name)]
        assert subprocess.run(call, capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_round_trip_single(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "GROUP", 2)  # several row groups
    names = ["b", "c", "a", "e", "d"]
    rows = [row(name, index, index % 3) for index, name in enumerate(names)]
    stored = written(tmp_path / "t.parquet", SINGLE, iter(rows))
    assert stored.info == SINGLE
    assert list(stored.image_ids) == names  # the order of rows, not of the alphabet
    assert len(stored) == 5
    assert stored.labels.dtype == np.int64
    assert stored.labels.tolist() == [0, 1, 2, 0, 1]
    seen = list(stored)
    assert [name for name, _ in seen] == names
    for index, (_, image) in enumerate(seen):
        np.testing.assert_array_equal(image, pixels(index))
    np.testing.assert_array_equal(stored.images(), np.stack([pixels(i) for i in range(5)]))
    for index in (4, 0, 3, 1, 2):
        np.testing.assert_array_equal(np.asarray(stored.image(index)), pixels(index))
    assert pq.ParquetFile(tmp_path / "t.parquet").num_row_groups == 3


def test_round_trip_multi(tmp_path: Path) -> None:
    rows = [row("a", 0, [0, 2]), row("b", 1, []), row("c", 2, [1])]
    stored = written(tmp_path / "t.parquet", MULTI, rows)
    assert stored.info == MULTI
    assert stored.labels.dtype == np.uint8
    assert stored.labels.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]


def test_gray_images_are_decoded_as_rgb(tmp_path: Path) -> None:
    gray = pixels(0)[..., 0]
    stored = written(tmp_path / "t.parquet", SINGLE, [Row("a", png(gray), "a.png", 0)])
    np.testing.assert_array_equal(stored.images()[0], np.repeat(gray[..., None], 3, axis=2))


@pytest.mark.parametrize(
    ("info", "labels", "kind", "feature"),
    [
        (SINGLE, 1, pa.int64(), {"_type": "ClassLabel", "names": ["square", "disc", "star"]}),
        (
            MULTI,
            [1],
            pa.list_(pa.int64()),
            {"_type": "Sequence", "feature": {"_type": "ClassLabel", "names": ["square", "disc", "star"]}},
        ),
    ],
)
def test_schema_is_that_of_hugging_face(
    tmp_path: Path, info: TableInfo, labels: int | list[int], kind: pa.DataType, feature: dict[str, object]
) -> None:
    writing.write(tmp_path / "t.parquet", info, [row("a", 0, labels)])
    schema = pq.read_schema(tmp_path / "t.parquet")
    assert schema.names == ["image_id", "image", "label"]
    assert schema.field("image_id").type == pa.string()
    assert schema.field("image").type == pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    assert schema.field("label").type.equals(kind)
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert features["image_id"] == {"_type": "Value", "dtype": "string"}
    assert features["image"] == {"_type": "Image"}
    assert features["label"] == feature
    stored = pq.read_table(tmp_path / "t.parquet")["image"][0].as_py()
    assert stored == {"bytes": png(pixels(0)), "path": "a.png"}


@pytest.mark.parametrize(("info", "label"), [(SINGLE, 3), (SINGLE, -1), (MULTI, [0, 3]), (MULTI, [-1])])
def test_label_outside_the_classes(tmp_path: Path, info: TableInfo, label: int | list[int]) -> None:
    wrong = label if isinstance(label, int) else label[-1]
    with pytest.raises(ValueError, match=f"'shapes', image 'odd': label {wrong}, expected 0 to 2"):
        writing.write(tmp_path / "t.parquet", info, [row("odd", 0, label)])
    assert list(tmp_path.iterdir()) == []


def test_image_id_twice(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'shapes': image id 'same' occurs twice"):
        writing.write(tmp_path / "t.parquet", SINGLE, [row("same", 0, 0), row("b", 1, 0), row("same", 2, 1)])
    assert list(tmp_path.iterdir()) == []


def test_no_images(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"t\.parquet: data set 'shapes' has no images in split 'train'"):
        writing.write(tmp_path / "t.parquet", SINGLE, [])


def test_no_images_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no images"):
        writing.write(tmp_path / "t.parquet", SINGLE, [])
    assert list(tmp_path.iterdir()) == []


def test_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.parquet"):
        ImageTable(tmp_path / "absent.parquet")
