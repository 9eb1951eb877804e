"""Example images: the same choice every time, and what the pattern tables say of them."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from tokred.comparison.examples import example_rows, picture_rows
from tokred.comparison.job import make
from tokred.comparison.runs import open_runs
from tokred.data.image_table import ImageTable
from tokred.data.info import Row, TableInfo
from tokred.data.writing import write
from tokred.run import Run
from tokred.tables import batch_writer, schemas
from tokred.tables.patterns import pattern_schema

RUN = Run("shapes", "vit", "kmedoids", "0.50", 0)
SURVIVED = np.array([[0, 2, 1, 2], [2, 0, 1, 2]], dtype=np.uint8)
CLUSTERS = np.array([[[0, 0, 1, 2], [1, 1, 0, 2]], [[0, 0, 0, 1], [1, 1, 1, 0]]], dtype=np.int8)


def png(value: int, size: tuple[int, int] = (8, 8)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (value, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def images(tmp_path: Path) -> ImageTable:
    info = TableInfo("shapes", "test", "multi", ("disc", "square", "star"))
    rows = [Row(f"i{n}", png(n), f"{n}.png", [n % 3, 2] if n % 3 != 2 else []) for n in range(20)]
    write(tmp_path / "test.parquet", info, rows)
    return ImageTable(tmp_path / "test.parquet")


@pytest.fixture
def patterns(tmp_path: Path) -> Path:
    path = tmp_path / "patterns.parquet"
    schema = pattern_schema(4, 2, kept=True, clusters=True, margin=False)
    columns = {name: pa.array([value] * 2) for name, value in asdict(RUN).items()}
    lists = {"survived": SURVIVED, "cluster_1": CLUSTERS[0], "cluster_2": CLUSTERS[1]}
    columns |= {name: pa.FixedSizeListArray.from_arrays(v.reshape(-1), 4) for name, v in lists.items()}
    columns["image_id"] = pa.array(["a", "b"])
    with batch_writer.open_writer(
        path, schema, {"run": asdict(RUN), "locations": [3, 6], "grid": [2, 2]}
    ) as writer:
        writer.add(columns)
    return path


def test_pictures_are_a_random_choice_that_stays(images: ImageTable) -> None:
    first, again = (list(picture_rows(images, "shapes", 8)) for _ in range(2))
    assert first == again
    assert [row["place"] for row in first] == list(range(8))
    chosen = [int(row["image_id"][1:]) for row in first]
    assert len(set(chosen)) == 8
    assert chosen != sorted(chosen)
    assert chosen != [int(row["image_id"][1:]) for row in picture_rows(images, "others", 8)]
    for number, row in zip(chosen, first, strict=True):
        assert row["label"] == ["disc, star", "square, star", ""][number % 3]
        with Image.open(io.BytesIO(row["image"])) as picture:
            assert picture.getpixel((3, 3)) == (number, 0, 0)


def test_pictures_have_the_size_of_the_backbones_input(images: ImageTable) -> None:
    row = next(picture_rows(images, "shapes", 20))
    with Image.open(io.BytesIO(row["image"])) as picture:
        assert picture.size == (20, 20)


def test_small_data_sets_show_all_they_have(tmp_path: Path) -> None:
    info = TableInfo("few", "test", "single", ("disc",))
    write(tmp_path / "few.parquet", info, [Row("only", png(1), "only.png", 0)])
    rows = list(picture_rows(ImageTable(tmp_path / "few.parquet"), "few", 8))
    assert [(row["image_id"], row["label"]) for row in rows] == [("only", "disc")]


def test_examples_are_the_patterns_of_the_image(patterns: Path) -> None:
    rows = list(example_rows(open_runs([str(patterns)]), "b"))
    assert len(rows) == 2 * 4
    for row in rows:
        assert row["kept"] is bool(SURVIVED[1][row["token"]] >= row["stage"])
        assert row["cluster"] == CLUSTERS[row["stage"] - 1][1][row["token"]]


def test_image_that_a_run_lacks_is_an_error(patterns: Path) -> None:
    with pytest.raises(ValueError, match="has image 'c' 0 times, expected once"):
        list(example_rows(open_runs([str(patterns)]), "c"))


def test_jobs_write_tables_of_the_schema(images: ImageTable, patterns: Path, tmp_path: Path) -> None:
    pictures = str(tmp_path / "pictures.parquet")
    arguments = {"dataset": "shapes", "size": 8, "crop_pct": None}
    target, inputs = "tokred.comparison.examples:choose_pictures", {"test_images": [str(images.path)]}
    make(target, {"pictures": pictures}, inputs, arguments)
    assert len(schemas.read(pictures, schemas.PICTURES)) == 8
    inputs = {"patterns": [str(patterns)], "pictures": [pictures]}
    with pytest.raises(ValueError, match=r"patterns\.parquet: has image 'i\d+' 0 times"):
        make("tokred.comparison.examples:show_examples", {"examples": str(tmp_path / "e")}, inputs)
