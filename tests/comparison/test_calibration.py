"""Calibration of stored predictions."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.study import lists
from tokred.comparison import job
from tokred.comparison.calibration import measure
from tokred.run import RUN_COLUMNS, Run
from tokred.tables import parquet, schemas

RUN = Run("pictures", "small", "topk", "0.50", 0)


def predictions(folder: Path, run: Run, logits: np.ndarray, labels: pa.Array) -> str:
    """A table of predictions, as an extraction writes it."""
    columns: dict[str, Any] = {name: pa.array([getattr(run, name)] * len(logits)) for name in RUN_COLUMNS}
    columns |= {"image_id": pa.array([str(index) for index in range(len(logits))]), "label": labels}
    written = pa.table({**columns, "logits": lists(logits.astype(np.float32))})
    path = folder / f"predictions/{run.key}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    schemas.write(path, written.replace_schema_metadata(parquet.kind("predictions")), {"run": asdict(run)})
    return str(path)


def test_values_of_known_predictions(tmp_path: Path) -> None:
    """Confidence .8 for all, right in three of four images."""
    logits = np.log(np.array([[0.8, 0.2], [0.2, 0.8], [0.8, 0.2], [0.2, 0.8]]))
    labels = pa.array([0, 1, 0, 0], pa.int32())
    (row,) = measure({"predictions": [predictions(tmp_path, RUN, logits, labels)]})
    assert {name: row[name] for name in asdict(RUN)} == asdict(RUN)
    values = {"calibration_error": 5, "confidence": 80, "accuracy": 75, "n": 4}
    assert {name: row[name] for name in values} == pytest.approx(values, abs=1e-4)
    # |hits / 4 - .8| for 0 to 4 hits of probability .8 each
    expected = sum(p * abs(hits / 4 - 0.8) for hits, p in enumerate((0.0016, 0.0256, 0.1536, 0.4096, 0.4096)))
    assert row["if_calibrated"] == pytest.approx(100 * expected, rel=0.2)


def test_several_labels_have_no_calibration(tmp_path: Path) -> None:
    labels = pa.array([[0, 1], [1]], pa.list_(pa.int32()))
    paths = [predictions(tmp_path, RUN, np.zeros((2, 2)), labels)]
    assert list(measure({"predictions": paths})) == []
    out = str(tmp_path / "calibration.parquet")
    job.make("tokred.comparison.calibration:measure", {"calibration": out}, {"predictions": paths})
    assert len(schemas.read(out, schemas.CALIBRATION)) == 0
