"""Studies with a search, and histories of trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.study.studies import overlaid, study
from tokred.study.search import SEARCHED, Setting
from tokred.study.study import Study
from tokred.tables import schemas

#: Two settings on the first data set, two on the other one, all but one value the same.
GRIDS = {
    "first": {
        "lr": [0.001],
        "lr_normalizer": [32],
        "warmup_epochs": [0, 0.5],
        "backbone_lr_scale": [1],
        "backbone_freeze_epochs": [0],
    },
    "others": {
        "lr": [0.01, 0.002],
        "lr_normalizer": [32],
        "warmup_epochs": [0],
        "backbone_lr_scale": [1],
        "backbone_freeze_epochs": [0],
    },
}
#: Digits, then scenes: two reduced models each, and the unreduced one on scenes.
SMALL = {"backbones": ["vit_nano"], "methods": ["topk", "tome"], "keep_rates": [0.5], "search": GRIDS}


def searching(changes: Mapping[str, Any] | None = None) -> Study:
    """The default study with a small search, and some values changed."""
    return study(overlaid(SMALL, dict(changes or {})))


def setting(*values: float) -> Setting:
    """A setting by its five values."""
    return dict(zip(SEARCHED, values, strict=True))


def history(path: Path, chosen: Setting, scores: Sequence[tuple[float, float]], **facts: Any) -> str:
    """A trial's history: scores of the model and its moving average, epoch by epoch."""
    run = {"dataset": "search/digits", "backbone": "b", "method": "topk", "keep_rate": "0.50", "seed": 0}
    measured = {"lr": 0.1, "train_loss": 1.0, "extra_loss": 0.0, "seconds": 1.0}
    rows = [
        {**run, **measured, "epoch": epoch, "val_score": model, "val_score_ema": ema}
        for epoch, (model, ema) in enumerate(scores, start=1)
    ]
    schemas.write_rows(path, rows, schemas.HISTORY, {"training": {"epochs": len(rows), **chosen}, **facts})
    return str(path)
