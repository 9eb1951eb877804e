"""Studies with a search, and histories of trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.study.studies import overlaid, study
from tokred.search.plan import Cell, plan, run_of_trials
from tokred.search.result import write
from tokred.settings import parse
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


#: By model, a score for each trial; None: it diverged.
Scores = dict[Cell, tuple[float | None, ...]]


def write_search(folder: Path, values: dict[str, Any], scores: Scores) -> Path:
    """The file of a study's search; where no scores are given, the first trial is the best."""
    files: list[str] = []
    found: dict[Cell, Setting] = {}
    parsed = parse(Study, values, "study")
    for cell, options in plan(parsed).items():
        tried = [found[option] if isinstance(option, Cell) else option for option in options.values()]
        of_cell = scores.get(cell, (1.0, *[0.0] * (len(tried) - 1)))
        found[cell] = tried[max(range(len(tried)), key=lambda place: of_cell[place] or 0)]
        for name, value, accuracy in zip(options, tried, of_cell, strict=True):
            path = folder.joinpath(cell.dataset, cell.method, cell.keep_rate, f"{name}.parquet")
            scored = [] if accuracy is None else [(accuracy, float("nan"))]
            files.append(history(path, value, scored, run=asdict(run_of_trials(parsed, cell))))
    outputs = {name: str(folder / name) for name in ("trials", "hyperparameters")}
    write(values, {"histories": files}, outputs)
    return Path(outputs["hyperparameters"])
