"""Writing of image tables in bounded memory, with checks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa

from tokred.data.image_table import check_ids
from tokred.data.info import Row, TableInfo
from tokred.files import atomic_path
from tokred.tables import batch_writer, parquet

#: Largest number of rows, and of bytes of images, of a row group, which is read as a whole for any of its
#: images.
GROUP = 1024
GROUP_BYTES = 4 * 2**20
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write(
    path: str | Path,
    info: TableInfo,
    rows: Iterable[Row],
    code: Mapping[str, str] = MappingProxyType({}),
    masks: bool = False,
) -> None:
    """Write a table atomically.

    Memory is bounded except for the check of ids at the end, which reads all ids (some 50 bytes each).

    Args:
        code: fingerprint of the code of each stage of the workflow, stored with the table.
        masks: whether the table has a column of object masks.

    Raises:
        ValueError: a label outside the classes, duplicate ids, or no rows.
    """
    with atomic_path(path) as temporary:
        facts = {**asdict(info), "code": dict(code)}
        with batch_writer.open_in_place(temporary, _schema(info, masks), facts, GROUP) as writer:
            for group in _groups(rows):
                for row in group:
                    row.check_label(info)
                writer.add(_columns(group, info, masks))
                writer.flush()
        with parquet.opened(temporary, "images") as file:
            ids = file.read(columns=["image_id"])["image_id"]
        if not len(ids):
            raise ValueError(f"{path}: data set {info.dataset!r} has no images in split {info.split!r}")
        try:
            check_ids(ids)
        except ValueError as error:
            raise ValueError(f"data set {info.dataset!r}: {error}") from error


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    group: list[Row] = []
    size = 0
    for row in rows:
        length = sum(len(part) for part in (row.data, row.mask) if part is not None)
        if group and (len(group) == GROUP or size + length > GROUP_BYTES):
            yield group
            group, size = [], 0
        group.append(row)
        size += length
    if group:
        yield group


def _columns(rows: list[Row], info: TableInfo, masks: bool) -> dict[str, pa.Array]:
    columns = {
        "image_id": pa.array([row.image_id for row in rows]),
        "image": pa.array([{"bytes": row.data, "path": row.path} for row in rows], _IMAGE),
        "label": pa.array([row.label for row in rows], _label_type(info)),
    }
    if masks:
        encoded = [None if row.mask is None else {"bytes": row.mask, "path": None} for row in rows]
        columns["mask"] = pa.array(encoded, _IMAGE)
    return columns


def _label_type(info: TableInfo) -> pa.DataType:
    # 64 bits: `datasets` accepts a column as class labels only if it has exactly their type.
    return pa.int64() if info.task == "single" else pa.list_(pa.int64())


def _schema(info: TableInfo, masks: bool) -> pa.Schema:
    label = {"_type": "ClassLabel", "names": list(info.classes)}
    features = {
        "image_id": {"_type": "Value", "dtype": "string"},
        "image": {"_type": "Image"},
        # "Sequence" is read by every version of `datasets`; "List" is new in version 4.
        "label": label if info.task == "single" else {"_type": "Sequence", "feature": label},
    }
    fields = [("image_id", pa.string()), ("image", _IMAGE), ("label", _label_type(info))]
    if masks:
        features["mask"] = {"_type": "Image"}
        fields.append(("mask", _IMAGE))
    schema = pa.schema(fields)
    described = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    return schema.with_metadata({**described, **parquet.kind("images")})
