"""What an image table must not say is refused: when it is described, and when it is read."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data.tables import MULTI, SINGLE, row, written
from tokred.data import registry, synthetic
from tokred.data.image_table import ImageTable
from tokred.data.info import TableInfo
from tokred.data.options import CountOptions
from tokred.tables import parquet


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "mutli"}, r"task 'mutli' \(did you mean 'multi'\?\): expected 'single' or 'multi'"),
        ({"split": "tset"}, r"split 'tset' \(did you mean 'test'\?\): expected 'train' or 'test'"),
        ({"split": "val"}, "split 'val': expected 'train' or 'test'"),
        ({"classes": ()}, "'shapes': expected at least one class, found none"),
        ({"classes": ("a", "b", "a")}, "'shapes': class 'a' occurs twice"),
    ],
)
def test_descriptions(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SINGLE, **changes)


@pytest.mark.parametrize("name", ["digits", "scenes"])
def test_unknown_split_of_built_in_data(name: str) -> None:
    with pytest.raises(ValueError, match="split 'tset'"):
        registry.get(name).load()("tset", CountOptions())


def test_unknown_split_of_scans_and_photographs() -> None:
    for function in (synthetic.scans, synthetic.photographs):
        with pytest.raises(ValueError, match="split 'validation'"):
            function("validation")


def changed(path: Path, info: TableInfo, columns: dict[str, pa.Array], **facts: object) -> Path:
    """A table of two images, some of whose columns or facts others have changed."""
    written(path, info, [row("a", 0, 0 if info.task == "single" else [0])])
    table = pq.read_table(path)
    table = pa.concat_tables([table, table])
    columns = {"image_id": pa.array(["a", "b"]), **columns}
    for name, values in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, values)
    schema = parquet.with_metadata(table.schema, {**asdict(info), **facts})
    pq.write_table(table.cast(schema), path)
    return path


@pytest.mark.parametrize(
    ("info", "columns", "message"),
    [
        (SINGLE, {"label": pa.array([0, 3])}, "1 labels such as 3, expected 0 to 2"),
        (SINGLE, {"label": pa.array([-1, -1])}, "2 labels such as -1, expected 0 to 2"),
        (SINGLE, {"label": pa.array([0, None])}, "1 labels are missing"),
        (SINGLE, {"label": pa.array([[0], [1]])}, "task 'single', but labels are list"),
        (MULTI, {"label": pa.array([[0, 1], [2, -1]])}, "1 labels such as -1, expected 0 to 2"),
        (MULTI, {"label": pa.array([[0, 1], [3]])}, "1 labels such as 3, expected 0 to 2"),
        (MULTI, {"label": pa.array([[0], None])}, "1 labels are missing"),
        (MULTI, {"label": pa.array([[0], [None]], pa.list_(pa.int32()))}, "1 labels are missing"),
        (MULTI, {"label": pa.array([0, 1])}, "task 'multi', but labels are int64"),
        (SINGLE, {"image_id": pa.array(["b", "b"])}, "image id 'b' occurs twice"),
        (SINGLE, {"image_id": pa.array(["b", None])}, "1 images have no id"),
    ],
)
def test_labels_and_ids_that_are_read(
    tmp_path: Path, info: TableInfo, columns: dict[str, pa.Array], message: str
) -> None:
    with pytest.raises(ValueError, match=rf"t\.parquet: {message}"):
        ImageTable(changed(tmp_path / "t.parquet", info, columns))


def test_description_that_is_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"t\.parquet: task 'mutli'"):
        ImageTable(changed(tmp_path / "t.parquet", SINGLE, {}, task="mutli"))


def test_changed_but_right(tmp_path: Path) -> None:
    labels = {"label": pa.array([[2, 0], []], pa.list_(pa.int64()))}
    stored = ImageTable(changed(tmp_path / "t.parquet", MULTI, labels))
    assert stored.labels.tolist() == [[1, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize("index", [-1, 2])
def test_image_outside_the_table(tmp_path: Path, index: int) -> None:
    stored = written(tmp_path / "t.parquet", SINGLE, [row("a", 0, 0), row("b", 1, 0)])
    with pytest.raises(IndexError, match=rf"t\.parquet: image {index}, expected 0 to 1"):
        stored.image(index)
