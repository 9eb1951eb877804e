"""Parquet files with metadata that identify them, with checksums, and with errors that name the file.

The schema's metadata hold the facts of the file as JSON under the key "tokred", and the kind of table under
"tokred_format". Every page of values has a checksum, which is verified when the page is read. Encodings are
those that every reader of Parquet supports: plain values and dictionaries.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tokred.run import RUN_COLUMNS, Run
from tokred.tables import identity

_FACTS, _FORMAT = b"tokred", b"tokred_format"
#: Options for all writers.
WRITING = {"compression": "zstd", "write_page_checksum": True}


def kind(name: str) -> dict[bytes, bytes]:
    """Schema metadata for a kind of table, such as "scores"."""
    return {_FORMAT: json.dumps({"kind": name}).encode()}


def kind_of(schema: pa.Schema) -> str | None:
    """The kind of table in a schema's metadata; None if there is none."""
    stored = (schema.metadata or {}).get(_FORMAT)
    return None if stored is None else json.loads(stored).get("kind")


def with_metadata(schema: pa.Schema, facts: Mapping[str, object]) -> pa.Schema:
    """The schema with facts as JSON under its key "tokred", their checksum, and the format of the file."""
    stored = json.dumps(dict(facts)).encode()
    named = {"kind": kind_of(schema), "version": identity.VERSION, "checksum": zlib.crc32(stored)}
    return schema.with_metadata(
        {**(schema.metadata or {}), _FACTS: stored, _FORMAT: json.dumps(named).encode()}
    )


class VerifiedFile(pq.ParquetFile):  # type: ignore[misc]  # pyarrow has no types
    """A Parquet file that verifies the checksums of its pages, and the number of its rows.

    The header of a page has no checksum: a damaged one may end a column early, so that rows are missing.
    """

    def __init__(self, path: str | Path, **options: object) -> None:
        super().__init__(path, page_checksum_verification=True, **options)
        self._path = path

    def read(self, *arguments: Any, **options: Any) -> pa.Table:
        """As in pyarrow; ValueError where rows are missing."""
        return self._whole(super().read(*arguments, **options), self.metadata.num_rows)

    def read_row_group(self, index: int, *arguments: Any, **options: Any) -> pa.Table:
        """As in pyarrow; ValueError where rows are missing."""
        rows = super().read_row_group(index, *arguments, **options)
        return self._whole(rows, self.metadata.row_group(index).num_rows)

    def _whole(self, rows: pa.Table, expected: int) -> pa.Table:
        if rows.num_rows != expected:
            raise ValueError(
                f"{self._path}: is damaged: found {rows.num_rows} rows, expected {expected}; {identity.REDO}"
            )
        return rows


@contextmanager
def opened(path: str | Path, kind: str | None = None, columns: Iterable[str] = ()) -> Iterator[VerifiedFile]:
    """A table that tokred wrote, open for reading.

    Args:
        kind: the expected kind of table; None for any.
        columns: columns that it must have.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file cannot be read, is damaged (this includes values that the block reads), was not
            written by this version of tokred, or is of another kind.
    """
    expected = "a table that tokred wrote" if kind is None else f"a table of {kind}"
    with explained(path, expected), VerifiedFile(path) as file:
        stored, footer = file.schema_arrow, file.metadata
        facts_of(stored, path, kind)
        rows = sum(footer.row_group(index).num_rows for index in range(footer.num_row_groups))
        if rows != footer.num_rows:
            raise ValueError(f"{path}: is damaged: row groups of {rows} rows, expected {footer.num_rows}")
        missing = [name for name in columns if name not in stored.names]
        if missing:
            raise ValueError(f"{path}: has columns {stored.names}, expected {', '.join(missing)} among them")
        yield file


def facts_of(schema: pa.Schema, path: str | Path, kind: str | None = None) -> dict[str, Any]:
    """The facts in a schema's metadata; ValueError as for `opened`."""
    stored = schema.metadata or {}
    if _FACTS not in stored:
        raise ValueError(f"{path}: not a table written by tokred (no metadata key 'tokred')")
    try:
        named = json.loads(stored[_FORMAT]) if _FORMAT in stored else {}
        identity.check_format(path, named, kind)
        if named["checksum"] != zlib.crc32(stored[_FACTS]):
            raise ValueError(f"{path}: its metadata are damaged (checksum); {identity.REDO}")
        return json.loads(stored[_FACTS])
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: its metadata are damaged ({error}); {identity.REDO}") from error


def table(path: str | Path, schema: pa.Schema, expected: Mapping[str, object]) -> pa.Table:
    """Read a whole table.

    Args:
        schema: the kind and columns that it must have.
        expected: facts that its metadata must have.

    Raises:
        FileNotFoundError, ValueError: as for `opened`.
        ValueError: other columns or facts, or rows of another run than the path names.
    """
    with opened(path, kind_of(schema)) as file:
        identity.check(path, facts_of(file.schema_arrow, path), expected)
        if file.schema_arrow.names != schema.names:
            raise ValueError(f"{path}: has columns {file.schema_arrow.names}, expected {schema.names}")
        stored = file.read().cast(schema)
        stored.validate(full=True)  # a damaged footer may have led to wrong pages
    check_run(path, kind_of(schema), stored)
    return stored


def check_run(path: str | Path, folder: str | None, rows: pa.Table) -> None:
    """Raises ValueError if rows are of another run than the one that their path in a study names.

    Args:
        folder: name of the folder that has one file per run, such as "scores"; None for other tables.
    """
    run = None if folder is None else Run.of_path(path, folder)
    if run is None:
        return
    for name in RUN_COLUMNS:
        values, expected = rows[name].unique().to_pylist(), getattr(run, name)
        if values not in ([], [expected]):
            raise ValueError(f"{path}: has rows of {name} {values[0]!r}, expected {expected!r}")


@contextmanager
def explained(path: str | Path, expected: str = "a table that tokred wrote") -> Iterator[None]:
    """Turn errors of pyarrow and of the operating system into one line that names the file."""
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file; expected {expected}") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if Path(path).is_dir():
            raise ValueError(f"{path}: is a folder, expected {expected}") from None
        cause = str(error).partition("\n")[0]
        raise ValueError(
            f"{path}: damaged, or no Parquet file ({cause}); expected {expected}; if it is a result, "
            f"{identity.REDO}"
        ) from error
