"""Tables written batch by batch, in bounded memory: patterns, features, predictions, images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tokred.files import atomic_path
from tokred.tables.parquet import WRITING, with_metadata

#: Level of compression of clusters: fewer bytes than at the default level, for some 10 us an image.
_HARDER = 9


class StreamWriter:
    """Writes a table batch by batch in row groups of `rows` rows; see `stream`."""

    def __init__(self, writer: pq.ParquetWriter, rows: int) -> None:
        self._writer, self._rows = writer, rows
        self._pending: list[pa.RecordBatch] = []
        self._count = 0

    def add(self, columns: Mapping[str, pa.Array]) -> None:
        """Append rows, given by column; values are cast to the schema's types."""
        schema = self._writer.schema
        arrays = [columns[name].cast(schema.field(name).type) for name in schema.names]
        self._pending.append(pa.RecordBatch.from_arrays(arrays, schema=schema))
        self._count += len(self._pending[-1])
        if self._count >= self._rows:
            self.flush()

    def flush(self) -> None:
        """Write what is pending."""
        if self._pending:
            self._writer.write_table(pa.Table.from_batches(self._pending))
            self._pending, self._count = [], 0


@contextmanager
def stream(
    path: str | Path, schema: pa.Schema, metadata: Mapping[str, object], rows: int = 4096
) -> Iterator[StreamWriter]:
    """A table written in bounded memory; it appears under its name when the block ends without an error."""
    with atomic_path(path) as temporary, stream_into(temporary, schema, metadata, rows) as writer:
        yield writer


@contextmanager
def stream_into(
    path: Path, schema: pa.Schema, metadata: Mapping[str, object], rows: int
) -> Iterator[StreamWriter]:
    """A table written in bounded memory, in place: for those who check it before it gets its name."""
    schema = with_metadata(schema, metadata)
    with pq.ParquetWriter(path, schema, **_encoding(schema)) as writer:
        streaming = StreamWriter(writer, rows)
        yield streaming
        streaming.flush()


def _encoding(schema: pa.Schema) -> dict[str, object]:
    """How to store columns, for `ParquetWriter`, in encodings that every reader of Parquet has.

    Few values repeat in everything but floats and encoded images, so a dictionary stores them in few bits
    each. Splitting values into their bytes (BYTE_STREAM_SPLIT) would store clusters in a fifth fewer bytes,
    but duckdb before 2.0 cannot read it for integers, and fastparquet not at all.
    """
    flat = [field for field in schema if not pa.types.is_struct(field.type)]
    levels = {_leaf(field): _HARDER for field in schema if _has_integers(field.type)}
    repeating = [_leaf(field) for field in flat if not _has_floats(field.type)]
    return {**WRITING, "compression_level": levels or None, "use_dictionary": repeating}


def _leaf(field: pa.Field) -> str:
    """Path of a column's values in Parquet."""
    return f"{field.name}.list.element" if _is_list(field.type) else field.name


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)


def _has_integers(kind: pa.DataType) -> bool:
    """Whether values are lists of signed integers of one length, as clusters are."""
    return pa.types.is_fixed_size_list(kind) and pa.types.is_signed_integer(kind.value_type)


def _has_floats(kind: pa.DataType) -> bool:
    return pa.types.is_fixed_size_list(kind) and pa.types.is_floating(kind.value_type)
