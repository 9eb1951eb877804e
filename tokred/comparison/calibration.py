"""Are models right as often as they are confident? Calibration of the predictions on clean test images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import pyarrow as pa

from tokred.comparison.pairs import TableRow
from tokred.comparison.runs import Files, open_runs
from tokred.metrics.calibration import calibration_error, confidence, error_if_calibrated
from tokred.tables import parquet
from tokred.tables.patterns import fixed_lists


def measure(inputs: Files) -> Iterator[TableRow]:
    """Rows of `schemas.CALIBRATION`, one per run.

    There are none for data sets with several labels per image, whose predictions are no distribution over
    classes.

    Args:
        inputs: "predictions".
    """
    for file in open_runs(inputs["predictions"]):
        with parquet.opened(file.path, columns=["label", "logits"]) as stored:
            if not pa.types.is_integer(stored.schema_arrow.field("label").type):
                continue
            table = stored.read(["label", "logits"])
        logits, labels = fixed_lists(table, "logits"), table["label"].to_numpy()
        confidences, correct = confidence(logits), logits.argmax(axis=1) == labels
        values = {
            "calibration_error": calibration_error(confidences, correct),
            "if_calibrated": error_if_calibrated(confidences),
            "confidence": float(confidences.mean()),
            "accuracy": float(np.mean(correct)),
        }
        percent = {name: 100 * value for name, value in values.items()}
        yield {**asdict(file.run), **percent, "n": len(labels)}
