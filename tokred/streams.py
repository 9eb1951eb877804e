"""Tables written batch by batch, in bounded memory: patterns, features, predictions, images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tokred.files import atomic_path
from tokred.tables import with_metadata

#: Level of compression of clusters: a quarter fewer bytes than at the default level, for some 10 us an image.
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
    """A table written in bounded memory; it appears under its name when the block ends well."""
    schema = with_metadata(schema, metadata)
    encoding = _encoding(schema)
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema, **encoding) as writer:
        streaming = StreamWriter(writer, rows)
        yield streaming
        streaming.flush()


def _encoding(schema: pa.Schema) -> dict[str, object]:
    """How to store columns, for `ParquetWriter`; readers need not know.

    Lists of numbers with many different values are split into their bytes: the bytes of clusters' numbers,
    or of floats' exponents, are alike and compress well (and faster than a dictionary, which is of no use).
    Encoded images are what they are.
    """
    split = {_leaf(field): "BYTE_STREAM_SPLIT" for field in schema if _many_valued(field.type)}
    levels = {_leaf(field): _HARDER for field in schema if _has_integers(field.type)}
    texts = [field for field in schema if not pa.types.is_struct(field.type)]
    plain = [_leaf(field) for field in texts if _leaf(field) not in split]
    return {
        "compression": "zstd",
        "compression_level": levels or None,
        "column_encoding": split or None,
        "use_dictionary": plain,
    }


def _leaf(field: pa.Field) -> str:
    """Path of a column's values in Parquet."""
    return f"{field.name}.list.element" if _is_list(field.type) else field.name


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)


def _has_integers(kind: pa.DataType) -> bool:
    """Whether values are lists of signed integers of one length, as clusters are."""
    return pa.types.is_fixed_size_list(kind) and pa.types.is_signed_integer(kind.value_type)


def _many_valued(kind: pa.DataType) -> bool:
    return _has_integers(kind) or (
        pa.types.is_fixed_size_list(kind) and pa.types.is_floating(kind.value_type)
    )
