"""Pattern tables: how survivors are counted, and what is read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from tokred.tables import batch_writer, patterns, schemas

TOKENS, STAGES, IMAGES = 12, 3, 5
IDENTITY = {"dataset": "d", "backbone": "b", "method": "m", "keep_rate": "0.50", "seed": 0}


def nested_anchors(rng: np.random.Generator) -> list[NDArray]:
    """Nested kept sets of several images in random order, of varying number, -1 where a slot is empty."""
    stages = [np.full((IMAGES, size), -1) for size in (9, 6, 4)]
    for image in range(IMAGES):
        kept = rng.permutation(TOKENS)
        for anchors in stages:
            kept = rng.permutation(kept)[: rng.integers(1, min(len(kept), anchors.shape[1]) + 1)]
            slots = rng.permutation(anchors.shape[1])[: len(kept)]
            anchors[image, slots] = kept
    return stages


def test_survived_stages_against_a_loop() -> None:
    for seed in range(20):
        anchors = nested_anchors(np.random.default_rng(seed))
        expected = [
            [sum(token in stage[image].tolist() for stage in anchors) for token in range(TOKENS)]
            for image in range(IMAGES)
        ]
        survived = patterns.survived_stages(anchors, TOKENS)
        assert survived.dtype == np.uint8
        assert survived.tolist() == expected


def fixed(values: NDArray, kind: pa.DataType) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel(), kind), values.shape[1])


def content(rng: np.random.Generator) -> dict[str, NDArray]:
    clusters = {f"cluster_{s}": rng.integers(-1, 6, (IMAGES, TOKENS)) for s in range(1, STAGES + 1)}
    survived = rng.integers(0, STAGES + 1, (IMAGES, TOKENS))
    return {"survived": survived, **clusters, "margin": rng.random((IMAGES, STAGES)).astype(np.float32)}


def write(path: Path, data: dict[str, NDArray], **parts: bool) -> None:
    schema = patterns.pattern_schema(TOKENS, STAGES, **parts)
    columns = {name: pa.array([value] * IMAGES) for name, value in IDENTITY.items()}
    columns["image_id"] = pa.array([f"image-{i}" for i in range(IMAGES)])
    for name, values in data.items():
        if name in schema.names:
            columns[name] = fixed(values, schema.field(name).type.value_type)
    with batch_writer.open_writer(path, schema, {}, rows=2) as writer:
        for start in range(0, IMAGES, 2):  # several chunks
            writer.add({name: column[start : start + 2] for name, column in columns.items()})


def test_read_all(tmp_path: Path) -> None:
    data = content(np.random.default_rng(0))
    write(tmp_path / "t.parquet", data, kept=True, clusters=True, margin=True)
    stored = patterns.read(tmp_path / "t.parquet")
    assert stored.image_ids.tolist() == [f"image-{i}" for i in range(IMAGES)]
    np.testing.assert_array_equal(stored.survived, data["survived"])
    np.testing.assert_array_equal(stored.margin, data["margin"])
    assert len(stored.clusters) == STAGES
    for stage, assign in enumerate(stored.clusters, 1):
        np.testing.assert_array_equal(assign, data[f"cluster_{stage}"])
    for stage in (1, 2, 3):
        np.testing.assert_array_equal(stored.kept(stage), data["survived"] >= stage)


@pytest.mark.parametrize("columns", [(), ("survived",), ("cluster",), ("margin", "survived")])
def test_read_chosen_columns(tmp_path: Path, columns: tuple[str, ...]) -> None:
    data = content(np.random.default_rng(1))
    write(tmp_path / "t.parquet", data, kept=True, clusters=True, margin=True)
    stored = patterns.read(tmp_path / "t.parquet", columns)
    assert len(stored.image_ids) == IMAGES
    assert (stored.survived is not None) == ("survived" in columns)
    assert (stored.clusters is not None) == ("cluster" in columns)
    assert (stored.margin is not None) == ("margin" in columns)


def test_read_what_the_run_has(tmp_path: Path) -> None:
    data = content(np.random.default_rng(2))
    write(tmp_path / "t.parquet", data, kept=False, clusters=True, margin=False)
    stored = patterns.read(tmp_path / "t.parquet")
    assert stored.survived is None
    assert stored.margin is None
    np.testing.assert_array_equal(stored.clusters[2], data["cluster_3"])


@pytest.mark.parametrize(("tokens", "kind"), [(127, pa.int8()), (128, pa.int16()), (196, pa.int16())])
def test_schema(tokens: int, kind: pa.DataType) -> None:
    schema = patterns.pattern_schema(tokens, 2, kept=True, clusters=True, margin=True)
    identity = [name for name, _ in schemas.identity_fields()]
    assert schema.names == [*identity, "image_id", "survived", "cluster_1", "cluster_2", "margin"]
    assert schema.field("survived").type.equals(pa.list_(pa.uint8(), tokens))
    assert schema.field("cluster_2").type.equals(pa.list_(kind, tokens))
    assert schema.field("margin").type.equals(pa.list_(pa.float32(), 2))
    plain = patterns.pattern_schema(tokens, 2, kept=False, clusters=False, margin=False)
    assert plain.names == [*identity, "image_id"]


def test_fixed_lists_of_a_sliced_table() -> None:
    values = np.arange(24, dtype=np.int16).reshape(8, 3)
    table = pa.table({"x": fixed(values, pa.int16())})
    np.testing.assert_array_equal(patterns.fixed_lists(table.slice(2, 4), "x"), values[2:6])
    joined = pa.concat_tables([table.slice(5), table.slice(1, 2)])
    np.testing.assert_array_equal(patterns.fixed_lists(joined, "x"), values[[5, 6, 7, 1, 2]])
    assert patterns.fixed_lists(table.slice(8), "x").shape == (0, 3)
    assert patterns.fixed_lists(table, "x").dtype == np.int16


def test_fixed_lists_are_not_copied() -> None:
    """Of one row group; several are joined."""
    table = pa.table({"x": fixed(np.arange(24, dtype=np.int16).reshape(8, 3), pa.int16())})
    values = patterns.fixed_lists(table, "x")
    assert np.shares_memory(values, table["x"].chunk(0).flatten().to_numpy())


@pytest.mark.parametrize("lowest", [-1, 0])
def test_clusters_are_numbered_by_their_first_token(lowest: int) -> None:
    slots = np.random.default_rng(0).integers(lowest, 9, (40, 12)).astype(np.int16)
    found = patterns.numbered_clusters(slots)
    assert found.dtype == np.int16
    for row, numbers in zip(slots.tolist(), found.tolist(), strict=True):
        order: dict[int, int] = {}
        assert numbers == [-1 if slot < 0 else order.setdefault(slot, len(order)) for slot in row]


def test_images_without_clusters_stay_so() -> None:
    assert patterns.numbered_clusters(np.full((2, 3), -1)).tolist() == [[-1, -1, -1]] * 2
