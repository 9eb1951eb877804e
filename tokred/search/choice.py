"""What of a cell's trials is chosen."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokred.files import atomic_path, read_json
from tokred.study.search import SEARCHED, Setting
from tokred.tables import parquet, schemas

log = logging.getLogger(__name__)


def score(history: str | Path, last: bool) -> float:
    """How good a trial was: validation score in percent of the weights that a run would keep.

    Args:
        history: the trial's; NaN where it has no rows, since the training diverged.
        last: whether a run keeps its last epoch, of the moving average if there is one; the best epoch of
            model and moving average otherwise.
    """
    rows = schemas.read(history, schemas.HISTORY).sort_values("epoch")
    scores = rows[["val_score", "val_score_ema"]]
    if not last:
        return float(scores.max(axis=None))
    final = scores.iloc[-1:].dropna(axis="columns")
    return float("nan") if final.empty else float(final.iloc[0, -1])


def best(scores: Sequence[float]) -> int:
    """Place of the best trial; of equal ones the first. ValueError where all diverged."""
    finished = [place for place, value in enumerate(scores) if not math.isnan(value)]
    if not finished:
        raise ValueError(f"all {len(scores)} trials diverged; expected one that does not: lower `lr`")
    return max(finished, key=lambda place: scores[place])


def setting(history: str | Path) -> Setting:
    """The searched settings of a trial."""
    with parquet.opened(history, "history") as file:
        facts = parquet.facts_of(file.schema_arrow, history)
    return _searched(facts.get("training", {}), history)


def chosen_setting(path: str | Path) -> Setting:
    """What `choose` wrote."""
    return _searched(read_json(path, "settings that a search chose"), path)


def _searched(settings: Any, path: str | Path) -> Setting:
    missing = [name for name in SEARCHED if name not in settings]
    if missing:
        raise ValueError(f"{path}: lacks the searched settings {', '.join(missing)}")
    return {name: settings[name] for name in SEARCHED}


def choose(
    names: Sequence[str], last: bool, inputs: Mapping[str, Sequence[str]], outputs: Mapping[str, str]
) -> None:
    """The job: from the trials of a cell to the chosen setting.

    Args:
        names: the trials, in the order of preference among equals.
        last: as for `score`.
        inputs: "histories", one for each trial.
        outputs: "setting", a JSON file with the searched settings, and nothing that another choice of the
            same settings would change.
    """
    histories = inputs["histories"]
    scores = [score(path, last) for path in histories]
    found = best(scores)
    for place, (name, value) in enumerate(zip(names, scores, strict=True)):
        log.info("%6.2f  %s%s", value, name, "  (chosen)" if place == found else "")
    with atomic_path(outputs["setting"]) as temporary:
        temporary.write_text(json.dumps(setting(histories[found])) + "\n", encoding="utf-8")
