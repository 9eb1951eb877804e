"""Tables written batch by batch, in bounded memory: patterns, features, predictions, images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tokred.files import atomic_path
from tokred.tables.parquet import WRITING, with_metadata

#: Compression level of clusters: fewer bytes than at the default level, for some 10 us per image.
_CLUSTER_LEVEL = 9


class ParquetBatchWriter:
    """Writes a table batch by batch in row groups of `rows` rows; see `open_writer`."""

    def __init__(self, writer: pq.ParquetWriter, rows: int) -> None:
        self._writer, self._rows = writer, rows
        self._pending: list[pa.RecordBatch] = []
        self._count = 0

    def add(self, columns: Mapping[str, pa.Array]) -> None:
        """Append a batch of rows, column by column; values are cast to the schema's types."""
        schema = self._writer.schema
        arrays = [columns[name].cast(schema.field(name).type) for name in schema.names]
        self._pending.append(pa.RecordBatch.from_arrays(arrays, schema=schema))
        self._count += len(self._pending[-1])
        if self._count >= self._rows:
            self.flush()

    def flush(self) -> None:
        """Write the pending batches."""
        if self._pending:
            self._writer.write_table(pa.Table.from_batches(self._pending))
            self._pending, self._count = [], 0


@contextmanager
def open_writer(
    path: str | Path, schema: pa.Schema, metadata: Mapping[str, object], rows: int = 4096
) -> Iterator[ParquetBatchWriter]:
    """Write a table in bounded memory; the file appears when the block ends without an error."""
    with atomic_path(path) as temporary, open_in_place(temporary, schema, metadata, rows) as writer:
        yield writer


@contextmanager
def open_in_place(
    path: Path, schema: pa.Schema, metadata: Mapping[str, object], rows: int
) -> Iterator[ParquetBatchWriter]:
    """Write a table in bounded memory directly to `path`, for callers that check it before they rename it."""
    schema = with_metadata(schema, metadata)
    with pq.ParquetWriter(path, schema, **_encoding(schema)) as writer:
        batches = ParquetBatchWriter(writer, rows)
        yield batches
        batches.flush()


def _encoding(schema: pa.Schema) -> dict[str, object]:
    """Arguments of `ParquetWriter` that say how columns are stored, in encodings that every reader supports.

    All columns but floats and encoded images have few distinct values, so a dictionary stores them in few
    bits each. Splitting values into their bytes (BYTE_STREAM_SPLIT) would save a fifth of the bytes of
    clusters, but duckdb before 2.0 cannot read it for integers, and fastparquet not at all.
    """
    flat = [field for field in schema if not pa.types.is_struct(field.type)]
    levels = {_leaf(field): _CLUSTER_LEVEL for field in schema if _are_clusters(field.type)}
    repeating = [_leaf(field) for field in flat if not _are_features(field.type)]
    return {**WRITING, "compression_level": levels or None, "use_dictionary": repeating}


def _leaf(field: pa.Field) -> str:
    """Path of a column's values in Parquet."""
    return f"{field.name}.list.element" if _is_list(field.type) else field.name


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)


def _are_clusters(kind: pa.DataType) -> bool:
    """Whether values are fixed-size lists of signed integers, as clusters are."""
    return pa.types.is_fixed_size_list(kind) and pa.types.is_signed_integer(kind.value_type)


def _are_features(kind: pa.DataType) -> bool:
    return pa.types.is_fixed_size_list(kind) and pa.types.is_floating(kind.value_type)
