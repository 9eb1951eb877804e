"""Reduction patterns of a run as a table: storage and reading.

There is one row per image. `survived`: for each token of the input grid (raster order) the number of stages
that it survived as a kept token or cluster center; kept sets are nested, so this number defines all of them.
`cluster_<s>`: for each token the index of its cluster at stage s, -1 if it was dropped; clusters are numbered
from 0 by their first token, so that equal clusterings give equal rows. `margin`: for soft merging, the
assignment margin of each stage (the difference between a token's two largest assignment weights), mean over
tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tokred.tables import parquet
from tokred.tables.schemas import identity_fields

#: Columns that a pattern table may have besides the identity of run and image.
PARTS = ("survived", "cluster", "margin")
#: Types of cluster indices, by the largest number of tokens for which they suffice.
_INTEGERS = ((2**7 - 1, pa.int8()), (2**15 - 1, pa.int16()), (2**31 - 1, pa.int32()))


@dataclass(frozen=True)
class Patterns:
    """Patterns of n images with P tokens over S stages.

    Attributes:
        image_ids: (n,) ids of the images.
        survived: (n, P) uint8, None for methods without kept tokens.
        clusters: S arrays (n, P) of small integers, None for methods without clusters.
        margin: (n, S) float32, None except for soft merging.
    """

    image_ids: NDArray[Any]
    survived: NDArray[Any] | None
    clusters: list[NDArray[Any]] | None
    margin: NDArray[Any] | None

    def kept(self, stage: int) -> NDArray[Any]:
        """(n, P) booleans: tokens kept (or used as centers) at a stage, counted from 1.

        Raises ValueError for a method without kept tokens.
        """
        if self.survived is None:
            raise ValueError("patterns without kept tokens: the method has none, or they were not read")
        return self.survived >= stage


def pattern_schema(
    num_tokens: int, num_stages: int, *, kept: bool, clusters: bool, margin: bool
) -> pa.Schema:
    """Schema of a method's pattern table."""
    small = next(kind for most, kind in _INTEGERS if num_tokens <= most)
    fields = [*identity_fields(), ("image_id", pa.string())]
    if kept:
        fields.append(("survived", pa.list_(pa.uint8(), num_tokens)))
    if clusters:
        fields += [(f"cluster_{s}", pa.list_(small, num_tokens)) for s in range(1, num_stages + 1)]
    if margin:
        fields.append(("margin", pa.list_(pa.float32(), num_stages)))
    return pa.schema(fields, metadata=parquet.kind("patterns"))


def survived_stages(anchors: Sequence[NDArray[Any]], num_tokens: int) -> NDArray[Any]:
    """(B, P) number of stages that each token survived, from each stage's (B, K) representative tokens."""
    survived = np.zeros((len(anchors[0]), num_tokens), dtype=np.uint8)
    for anchor in anchors:
        image, slot = np.nonzero(anchor >= 0)
        survived[image, anchor[image, slot]] += 1
    return survived


def numbered_clusters(assign: NDArray[Any]) -> NDArray[Any]:
    """(B, P) cluster indices in the order of the clusters' first tokens, from any labels, such as slots.

    >>> numbered_clusters(np.array([[7, 2, 7, -1, 2, 0]]))
    array([[ 0,  1,  0, -1,  1,  2]])
    """
    dropped, tokens = assign < 0, np.arange(assign.shape[1])
    slots = np.where(dropped, assign.max() + 1, assign)
    firsts = np.full((len(assign), slots.max() + 1), assign.shape[1])
    np.minimum.at(firsts, (np.arange(len(assign))[:, None], slots), tokens)
    first = np.take_along_axis(firsts, slots, axis=1)
    numbers = np.cumsum((first == tokens) & ~dropped, axis=1) - 1
    return np.where(dropped, -1, np.take_along_axis(numbers, first, axis=1)).astype(assign.dtype)


def count_clusters(clusters: NDArray[Any]) -> NDArray[Any]:
    """(n,) number of non-empty clusters, from (n, P) stored cluster indices (`numbered_clusters`).

    >>> count_clusters(np.array([[0, 1, 0, -1, 2], [0, 0, 0, 0, 0]], dtype=np.int8))
    array([3, 1])
    """
    return clusters.max(axis=1).astype(np.int64) + 1


def with_dropped(clusters: NDArray[Any]) -> NDArray[Any]:
    """(n, P) cluster indices, from stored ones, where the dropped tokens of an image are one more cluster.

    It has the number P - 1, which no other has where a token is dropped.

    >>> with_dropped(np.array([[0, 1, 0, -1, 1, -1]], dtype=np.int8))
    array([[0, 1, 0, 5, 1, 5]], dtype=int8)
    """
    dropped = clusters < 0
    if not dropped.any():
        return clusters
    return np.where(dropped, clusters.dtype.type(clusters.shape[1] - 1), clusters)


def read(path: str | Path, columns: Sequence[str] = PARTS) -> Patterns:
    """The patterns of one run.

    Args:
        columns: members of `PARTS` to read; those that the run does not have are None.

    Raises:
        FileNotFoundError, ValueError: as for `tokred.tables.parquet.opened`.
    """
    with parquet.opened(path, "patterns", ["image_id"]) as stored:
        wanted = [name for name in stored.schema_arrow.names if _is_pattern(name, columns)]
        table = stored.read(["image_id", *wanted])
    names = table.column_names
    clusters = [fixed_lists(table, name) for name in names if name.startswith("cluster_")]
    return Patterns(
        image_ids=table["image_id"].to_numpy(zero_copy_only=False),
        survived=fixed_lists(table, "survived") if "survived" in names else None,
        clusters=clusters or None,
        margin=fixed_lists(table, "margin") if "margin" in names else None,
    )


def fixed_lists(table: pa.Table, name: str) -> NDArray[Any]:
    """(n, size) array of a column of fixed-size lists; not copied if it is a single chunk."""
    column = table[name]
    size, kind = column.type.list_size, column.type.value_type.to_pandas_dtype()
    parts = [chunk.flatten().to_numpy().reshape(-1, size) for chunk in column.chunks]
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty((0, size), kind), *parts])


def _is_pattern(name: str, columns: Sequence[str]) -> bool:
    return name.partition("_")[0] in columns
