"""The choice of a setting from the trials of a cell."""

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
    """Validation score in percent of the weights that a run would keep; NaN if the trial diverged.

    Args:
        history: table of the trial's history, without rows if the training diverged.
        last: whether a run keeps the last epoch, of the moving average if there is one; otherwise it keeps
            the best epoch of model and moving average.
    """
    rows = schemas.read(history, schemas.HISTORY).sort_values("epoch")
    scores = rows[["val_score", "val_score_ema"]]
    if not last:
        return float(scores.max(axis=None))
    final = scores.iloc[-1:].dropna(axis="columns")
    return float("nan") if final.empty else float(final.iloc[0, -1])


def best(scores: Sequence[float]) -> int:
    """Index of the best trial, the first of ties; ValueError if all trials diverged."""
    finished = [index for index, value in enumerate(scores) if not math.isnan(value)]
    if not finished:
        raise ValueError(
            f"all {len(scores)} trials diverged; expected at least one that does not: lower `lr`"
        )
    return max(finished, key=lambda index: scores[index])


def setting(history: str | Path) -> Setting:
    """The searched settings of a trial."""
    with parquet.opened(history, "history") as file:
        facts = parquet.facts_of(file.schema_arrow, history)
    return _searched(facts.get("training", {}), history)


def chosen_setting(path: str | Path) -> Setting:
    """The setting in a file that `choose` wrote."""
    return _searched(read_json(path, "settings that a search chose"), path)


def _searched(settings: Any, path: str | Path) -> Setting:
    missing = [name for name in SEARCHED if name not in settings]
    if missing:
        raise ValueError(f"{path}: missing searched settings: {', '.join(missing)}")
    return {name: settings[name] for name in SEARCHED}


def choose(
    names: Sequence[str], last: bool, inputs: Mapping[str, Sequence[str]], outputs: Mapping[str, str]
) -> None:
    """The job that chooses the setting of the best trial of a cell.

    Args:
        names: names of the trials; the first one of ties is chosen.
        last: as for `score`.
        inputs: "histories", one for each trial.
        outputs: "setting", a JSON file with the searched settings only, so that it is the same if another
            trial with this setting is chosen.
    """
    histories = inputs["histories"]
    scores = [score(path, last) for path in histories]
    best_index = best(scores)
    for index, (name, value) in enumerate(zip(names, scores, strict=True)):
        log.info("%6.2f  %s%s", value, name, "  (chosen)" if index == best_index else "")
    with atomic_path(outputs["setting"]) as temporary:
        temporary.write_text(json.dumps(setting(histories[best_index])) + "\n", encoding="utf-8")
