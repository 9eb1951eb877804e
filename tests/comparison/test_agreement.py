"""Agreement with the unreduced model, from files of predictions of single-label and multi-label runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from benchmarks.study import lists
from tokred.comparison import agreement
from tokred.comparison.job import make
from tokred.run import Run
from tokred.tables import batch_writer, parquet, schemas

UNREDUCED, REDUCED = Run("one", "tiny", "none", "1.00", 0), Run("one", "tiny", "topk", "0.50", 0)
LOGITS = np.array([[3, 2, 1], [3, 2, 1], [1, 2, 3], [1, 2, 3]], dtype=np.float32)
OTHER = np.array([[3, 1, 2], [1, 3, 2], [1, 2, 3], [3, 2, 1]], dtype=np.float32)


def write(folder: Path, run: Run, logits: NDArray, labels: list, ids: str = "i") -> str:
    """Predictions of a run, in its place of a study."""
    kind = pa.list_(pa.int32()) if isinstance(labels[0], list) else pa.int32()
    columns = {name: pa.array([value] * len(labels)) for name, value in asdict(run).items()}
    columns["image_id"] = pa.array([f"{ids}{index}" for index in range(len(labels))])
    columns |= {"label": pa.array(labels, kind), "logits": lists(logits)}
    fields = [("image_id", pa.string()), ("label", kind), ("logits", columns["logits"].type)]
    schema = pa.schema([*schemas.identity_fields(), *fields], metadata=parquet.kind("predictions"))
    path = folder / f"predictions/{run.key}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    with batch_writer.open_writer(path, schema, {"run": asdict(run)}) as writer:
        writer.add(columns)
    return str(path)


@pytest.mark.parametrize("batch", [1, 3, 512])
def test_one_label_the_same_top_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr(agreement, "_BATCH", batch)
    files = [write(tmp_path, UNREDUCED, LOGITS, [0, 0, 0, 0]), write(tmp_path, REDUCED, OTHER, [0, 0, 0, 0])]
    output = tmp_path / "agreement.parquet"
    make("tokred.comparison.agreement:compare", {"agreement": str(output)}, {"predictions": files})
    (row,) = schemas.read(output, schemas.AGREEMENT).to_dict("records")
    assert {name: row[name] for name in asdict(REDUCED)} == asdict(REDUCED)
    assert (row["metric"], row["mean"], row["std"], row["n"]) == ("label_agreement", 0.5, 0.5, 4)


def test_several_labels_share_of_as_many_and_images_without_any_are_left_out(tmp_path: Path) -> None:
    labels: list = [[0, 1], [2], [0, 1, 2], []]
    files = [write(tmp_path, UNREDUCED, LOGITS, labels), write(tmp_path, REDUCED, OTHER, labels)]
    (row,) = agreement.compare({"predictions": files})
    assert (row["mean"], row["n"]) == (pytest.approx((1 / 2 + 0 + 1) / 3), 3)


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    unreduced = write(tmp_path, UNREDUCED, LOGITS, [0, 0, 0, 0])
    other = write(tmp_path, REDUCED, OTHER, [0, 0, 0, 0], ids="j")
    with pytest.raises(ValueError, match="0 unreduced runs among 1 files: expected one"):
        list(agreement.compare({"predictions": [other]}))
    with pytest.raises(ValueError, match="are of different images"):
        list(agreement.compare({"predictions": [unreduced, other]}))
