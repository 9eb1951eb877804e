"""Object recall and purity of runs: which pattern counts, which images, and what unrelated patterns have."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from benchmarks.study import lists
from tests.comparison.masked_images import write_images
from tokred.comparison.job import make
from tokred.comparison.object_recall import compare_with_masks
from tokred.comparison.runs import open_runs
from tokred.methods.registry import METHODS
from tokred.run import RUN_COLUMNS, Run
from tokred.tables import batch_writer, patterns, schemas

IDS = [f"i{index}" for index in range(5)]
GRID = (4, 4)
METHODS_RUN = ("none", "topk", "ats", "kmedoids", "tome", "sit")

TARGET = "tokred.comparison.object_recall:compare"


def arguments(dataset: str) -> dict[str, object]:
    """Of the job for a data set whose images have 32 pixels."""
    return {"dataset": dataset, "size": 32, "crop_pct": None}


def masks() -> list[NDArray | None]:
    """Of 32 x 32 pixels, where a token has 8 x 8: of the last two images no token shows an object."""
    made = [np.zeros((32, 32), np.uint8) for _ in range(4)]
    made[0][8:24, 8:16] = 255  # tokens 5 and 9
    made[1][:9, :32] = 255  # a little more than the first row: an eighth of the second one, above 12 %
    made[2][0:8, 0:8] = 255
    made[2][8:16, 0:7] = 40  # faint
    made[3][0:2, 0:2] = 255  # a sixteenth of a token
    return [*made, None]


OBJECTS = np.zeros((5, 16), bool)
OBJECTS[0, [5, 9]] = True
OBJECTS[1, :8] = True
OBJECTS[2, [0, 4]] = True


def write_run(folder: Path, method: str, ids: list[str] = IDS) -> tuple[str, patterns.Patterns]:
    """A run with random patterns: its file, and what is in it."""
    run, spec = Run("one", "tiny", method, "1.00" if method == "none" else "0.50", 0), METHODS[method]
    rng = np.random.default_rng(len(method))
    columns = {name: pa.array([getattr(run, name)] * len(ids)) for name in RUN_COLUMNS}
    columns["image_id"] = pa.array(ids)
    kept = spec.kept or not spec.target
    if kept:
        columns["survived"] = lists(rng.integers(0, 3, (len(ids), 16)).astype(np.uint8))
    if spec.clusters:
        for stage in (1, 2):
            made = patterns.numbered_clusters(rng.integers(0, 5, (len(ids), 16)))
            columns[f"cluster_{stage}"] = lists(made.astype(np.int8))
    schema = patterns.pattern_schema(16, 2, kept=kept, clusters=spec.clusters, margin=False)
    path = folder / f"patterns/{run.key}.parquet"
    facts = {"run": asdict(run), "locations": [3, 6], "grid": list(GRID), "depth": 12}
    with batch_writer.open_writer(path, schema, facts) as writer:
        writer.add(columns)
    return str(path), patterns.read(path)


@pytest.fixture
def table(tmp_path: Path) -> str:
    return write_images(tmp_path / "test.parquet", IDS, masks())


def test_rows(tmp_path: Path, table: str) -> None:
    made = {method: write_run(tmp_path, method) for method in METHODS_RUN}
    output = str(tmp_path / "rows.parquet")
    inputs = {"patterns": [path for path, _ in made.values()], "test_images": [table]}
    make(TARGET, {"object_recall": output}, inputs, arguments("one"), {"compare_object_recall": "c"})
    assert schemas.metadata(output)["code"]["compare_object_recall"] == "c"
    rows = schemas.read(output, schemas.OBJECT_RECALL).set_index(["method", "stage"])
    assert set(rows.index) == {(method, stage) for method in METHODS_RUN[1:] for stage in (1, 2)}
    assert (rows["n"] == 3).all()
    assert (rows["left_out"] == 2).all()
    shown = [0, 1, 2]
    for (method, stage), row in rows.iterrows():
        _, stored = made[method]
        if METHODS[method].clusters:  # also where the centers of clusters are known
            labels, expected, chance = stored.clusters[stage - 1], [], []
            for image in shown:
                tokens = np.flatnonzero(OBJECTS[image])
                mates = [OBJECTS[image][labels[image] == labels[image, token]] for token in tokens]
                expected.append(np.mean([same.mean() for same in mates]))
                count = len(set(labels[image]))
                chance.append((count + (16 - count) * (len(tokens) - 1) / 15) / 16)
        else:
            kept = stored.survived >= stage
            expected = [kept[image][OBJECTS[image]].mean() for image in shown]
            chance = [kept[image].mean() for image in shown]  # of tokens that are really kept
        assert row["metric"] == ("object_purity" if METHODS[method].clusters else "object_recall")
        assert row["mean"] == pytest.approx(np.mean(expected))
        assert row["std"] == pytest.approx(np.std(expected))
        assert row["chance"] == pytest.approx(np.mean(chance))


def test_what_the_backbone_sees_decides(tmp_path: Path, table: str) -> None:
    path, stored = write_run(tmp_path, "topk")
    # The central half of the picture: rows and columns 8 to 24, of which the object of image 0 has the left.
    rows = pd.DataFrame(compare_with_masks(open_runs([path]), table, 32, 0.5)).set_index("stage")
    assert rows["left_out"].tolist() == [3, 3]
    seen = np.zeros((5, 4, 4), bool)
    seen[0, :, :2] = True
    seen[1, 0] = True  # a line of pixels, enlarged: a quarter of the first row
    kept = stored.survived >= 1
    expected = [kept[image][seen[image].ravel()].mean() for image in (0, 1)]
    assert rows.loc[1, "mean"] == pytest.approx(np.mean(expected))


def test_other_images_are_refused(tmp_path: Path, table: str) -> None:
    path, _ = write_run(tmp_path, "topk", [*IDS[:4], "other"])
    with pytest.raises(ValueError, match=rf"{path}: is of other images than {table}; extract the run again"):
        list(compare_with_masks(open_runs([path]), table, 32, None))


def test_masks_that_show_nothing_are_refused(tmp_path: Path) -> None:
    path, _ = write_run(tmp_path, "topk")
    table = write_images(tmp_path / "empty.parquet", IDS, [None] * 5)
    with pytest.raises(ValueError, match=r"empty\.parquet: no mask of 5 images shows an object"):
        list(compare_with_masks(open_runs([path]), table, 32, None))


def test_the_table_is_of_the_data_set(tmp_path: Path, table: str) -> None:
    path, _ = write_run(tmp_path, "topk")
    inputs = {"patterns": [path], "test_images": [table]}
    with pytest.raises(ValueError, match=r"test\.parquet: is of dataset 'one', expected dataset 'two'"):
        make(TARGET, {"object_recall": str(tmp_path / "rows.parquet")}, inputs, arguments("two"))
