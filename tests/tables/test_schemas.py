"""Tables: declared columns, sorted rows, nothing partial, metadata."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tokred.tables import batch_writer, schemas

SCHEMA = schemas.DEPTH
#: In version 1 of Parquet, and in every reader.
KNOWN_ENCODINGS = {"PLAIN", "RLE", "RLE_DICTIONARY", "PLAIN_DICTIONARY"}


def row(method: str, token: int, depth: float, dataset: str = "digits", seed: int = 0) -> dict[str, object]:
    identity = {"dataset": dataset, "backbone": "vit", "method": method, "keep_rate": "0.50", "seed": seed}
    return {**identity, "token": token, "depth": depth}


@pytest.mark.parametrize("change", ["less", "more", "renamed"])
def test_wrong_columns(tmp_path: Path, change: str) -> None:
    wrong = row("topk", 1, 2.0)
    if change != "more":
        wrong.pop("depth")
    if change != "less":
        wrong["deepness"] = 2.0
    with pytest.raises(ValueError, match=r"t\.parquet: row has columns .*expected \[.*'depth'"):
        schemas.write_rows(tmp_path / "t.parquet", [row("topk", 0, 1.0), wrong], SCHEMA)
    assert list(tmp_path.iterdir()) == []


def test_rows_are_sorted(tmp_path: Path) -> None:
    rows = [
        row("topk", 10, 1.0),
        row("topk", 9, 2.0),
        row("ats", 30, 3.0),
        row("topk", 0, 4.0, seed=1),
        row("tome", 0, 5.0, dataset="cars"),
    ]
    schemas.write_rows(tmp_path / "t.parquet", iter(rows), SCHEMA, {"code": "abc"})
    frame = schemas.read(tmp_path / "t.parquet", SCHEMA)
    assert frame["depth"].tolist() == [5.0, 3.0, 2.0, 1.0, 4.0]
    assert frame["token"].tolist() == [0, 30, 9, 10, 0]
    assert frame["method"].tolist() == ["tome", "ats", "topk", "topk", "topk"]
    assert schemas.metadata(tmp_path / "t.parquet") == {"code": "abc"}


def test_measured_columns_do_not_sort(tmp_path: Path) -> None:
    identity = {"dataset": "d", "backbone": "b", "method": "m", "keep_rate": "0.50", "seed": 0}
    rows = [
        {**identity, "stage": 1, "metric": "margin", "mean": mean, "std": None, "n": n}
        for mean, n in ((3.0, 9), (1.0, 7), (2.0, 8))
    ]
    schemas.write_rows(tmp_path / "t.parquet", rows, schemas.SUMMARY)
    frame = schemas.read(tmp_path / "t.parquet", schemas.SUMMARY)
    assert frame["mean"].tolist() == [3.0, 1.0, 2.0]
    assert frame["std"].isna().all()


def test_read_puts_files_one_after_another(tmp_path: Path) -> None:
    paths = [tmp_path / "b.parquet", str(tmp_path / "a.parquet")]
    schemas.write_rows(paths[0], [row("topk", 0, 1.0)], SCHEMA)
    schemas.write_rows(paths[1], [row("ats", 1, 2.0), row("ats", 0, 3.0)], SCHEMA)
    frame = schemas.read(paths, SCHEMA)
    assert frame["method"].tolist() == ["topk", "ats", "ats"]
    assert frame["depth"].tolist() == [1.0, 3.0, 2.0]
    assert frame.index.tolist() == [0, 1, 2]
    assert list(frame.columns) == SCHEMA.names
    assert not any(str(kind) == "category" for kind in frame.dtypes)
    assert frame["token"].dtype == np.int32


def test_read_nothing() -> None:
    frame = schemas.read([], SCHEMA)
    assert list(frame.columns) == SCHEMA.names
    assert len(frame) == 0


def test_read_another_schema(tmp_path: Path) -> None:
    schemas.write_rows(tmp_path / "good.parquet", [row("topk", 0, 1.0)], SCHEMA)
    with pytest.raises(ValueError, match=r"good\.parquet: holds depth, expected history"):
        schemas.read([tmp_path / "good.parquet"], schemas.HISTORY)
    fewer = pa.schema([field for field in SCHEMA if field.name != "depth"], SCHEMA.metadata)
    with pytest.raises(ValueError, match=r"good\.parquet: has columns .*'depth'\], expected .*'token'\]"):
        schemas.read([tmp_path / "good.parquet"], fewer)
    schemas.write(tmp_path / "text.parquet", pa.table({"value": ["many"]}))
    with pytest.raises(ValueError, match="many"):
        schemas.read(tmp_path / "text.parquet", pa.schema([("value", pa.int64())]))


def test_read_missing_file(tmp_path: Path) -> None:
    schemas.write_rows(tmp_path / "good.parquet", [row("topk", 0, 1.0)], SCHEMA)
    with pytest.raises(FileNotFoundError, match=r"absent\.parquet"):
        schemas.read([tmp_path / "good.parquet", tmp_path / "absent.parquet"], SCHEMA)


def test_metadata_of_a_foreign_file(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "foreign.parquet")
    with pytest.raises(ValueError, match=r"foreign\.parquet: not a table written by tokred"):
        schemas.metadata(tmp_path / "foreign.parquet")


def test_write_keeps_other_metadata(tmp_path: Path) -> None:
    table = pa.table({"a": [1]}).replace_schema_metadata({"huggingface": "{}"})
    schemas.write(tmp_path / "t.parquet", table, {"seed": 3})
    assert pq.read_schema(tmp_path / "t.parquet").metadata[b"huggingface"] == b"{}"
    assert schemas.metadata(tmp_path / "t.parquet") == {"seed": 3}


@pytest.mark.parametrize("batch", [1, 3])
def test_stream_writes_in_groups(tmp_path: Path, batch: int) -> None:
    path, schema = tmp_path / "t.parquet", pa.schema([("a", pa.int16()), ("b", pa.string())])
    with batch_writer.open_writer(path, schema, {"code": "x"}, rows=4) as writer:
        for start in range(0, 9, batch):
            numbers = range(start, min(9, start + batch))
            writer.add({"b": pa.array([str(i) for i in numbers]), "a": pa.array(list(numbers))})
            assert not path.exists()
    stored = pq.read_table(path)
    assert stored.to_pydict() == {"a": list(range(9)), "b": [str(i) for i in range(9)]}
    assert stored.schema.field("a").type == pa.int16()
    assert pq.ParquetFile(path).num_row_groups == {1: 3, 3: 2}[batch]
    assert schemas.metadata(path) == {"code": "x"}


@pytest.mark.parametrize("rows", [1, 100])
def test_stream_leaves_nothing_behind(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "t.parquet"

    def fail() -> None:
        with batch_writer.open_writer(path, pa.schema([("a", pa.int64())]), {}, rows=rows) as writer:
            writer.add({"a": pa.array([1])})
            assert list(tmp_path.iterdir()) != []  # the partial file
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_every_reader_knows_the_encodings(tmp_path: Path) -> None:
    """duckdb before 2.0 reads no BYTE_STREAM_SPLIT of integers, fastparquet none at all."""
    kinds = {"clusters": pa.int16(), "features": pa.float32(), "survived": pa.uint8()}
    schema = pa.schema([("id", pa.string()), *((name, pa.list_(kind, 2)) for name, kind in kinds.items())])
    values = pa.table({"id": ["a", "b"], **{name: [[1, 2], [3, 1]] for name in kinds}}).cast(schema)
    with batch_writer.open_writer(tmp_path / "stream.parquet", schema, {}) as writer:
        writer.add({name: values[name].combine_chunks() for name in schema.names})
    schemas.write_rows(tmp_path / "rows.parquet", [row("topk", 0, 1.0)], SCHEMA)
    for name in ("stream", "rows"):
        footer = pq.read_metadata(tmp_path / f"{name}.parquet")
        columns = [footer.row_group(0).column(index) for index in range(footer.num_columns)]
        assert {encoding for column in columns for encoding in column.encodings} <= KNOWN_ENCODINGS
        assert {column.compression for column in columns} == {"ZSTD"}
    assert pq.read_table(tmp_path / "stream.parquet").cast(schema).equals(values)


def test_two_files_of_the_same_runs(tmp_path: Path) -> None:
    for name in ("a", "b"):
        schemas.write_rows(tmp_path / f"{name}.parquet", [row("topk", ord(name), 1.0)], SCHEMA)
    with pytest.raises(ValueError, match=r"a\.parquet and .*b\.parquet: both have rows of .*topk/0\.50/0"):
        schemas.read([tmp_path / "a.parquet", tmp_path / "b.parquet"], SCHEMA)


def test_seeds_of_64_bits(tmp_path: Path) -> None:
    schemas.write_rows(tmp_path / "t.parquet", [row("topk", 0, 1.0, seed=2**63 - 1)], SCHEMA)
    assert schemas.read(tmp_path / "t.parquet", SCHEMA)["seed"].tolist() == [2**63 - 1]
