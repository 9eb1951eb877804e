"""The result of a search: the table of its trials, and the hyperparameters that it found."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

import yaml

from tokred.files import atomic_path
from tokred.search import choice
from tokred.search.plan import (
    OF_FIRST,
    Cell,
    backbone,
    baseline,
    methods,
    plan,
    rates,
    run_in_study,
    run_of_trials,
    search_of,
    takes_last,
)
from tokred.settings import Training, parse
from tokred.study.search import SEARCHED, Grid, plain
from tokred.study.study import Study
from tokred.tables import identity, lineage, schemas

log = logging.getLogger(__name__)
_DECIDES = {"holdout": "a held-out part of the training split", "test": "the test split"}
#: What Tables 4 to 6 call where a setting was found, by the trial's name.
_SOURCES = {True: "imagenet", False: "deit"}


def write(
    config: Mapping[str, Any],
    inputs: Mapping[str, Sequence[str]],
    outputs: Mapping[str, str],
    code: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """The job: from the histories of all trials to "trials" and "hyperparameters".

    Args:
        config: the study's configuration.
        inputs: "histories", one for each trial, in the order of `tokred.search.plan.plan`.
        code: by stage, the fingerprint of the code that does it, stored with the table.
    """
    study = parse(Study, config, "configuration of the study")
    histories = inputs["histories"]
    rows = list(trial_rows(study, histories))
    schemas.write_rows(outputs["trials"], rows, schemas.TRIALS, lineage.inherited(histories, code))
    with atomic_path(outputs["hyperparameters"]) as temporary:
        text = yaml.safe_dump(
            hyperparameters(study, rows), sort_keys=False, default_flow_style=None, width=110
        )
        temporary.write_text(text, encoding="utf-8")
    log.info("%d trials of study %s", len(rows), study.study)


def trial_rows(study: Study, histories: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Every trial of the search (`schemas.TRIALS`), from its history."""
    remaining = iter(histories)
    for cell, options in plan(study).items():
        files = [next(remaining) for _ in options]
        for path, tried in zip(files, options.values(), strict=True):
            stored = schemas.metadata(path)
            expected: dict[str, object] = {"run": asdict(run_of_trials(study, cell))}
            if not isinstance(tried, Cell):
                training: Any = stored["training"]
                expected["training"] = {**training, **tried}
            identity.check(path, stored, expected)
        scores = [choice.score(path, takes_last(study, cell)) for path in files]
        best = choice.best(scores)
        for place, (name, path, score) in enumerate(zip(options, files, scores, strict=True)):
            yield {
                "dataset": cell.dataset,
                "backbone": backbone(study),
                "method": cell.method,
                "keep_rate": cell.keep_rate,
                "place": place,
                "trial": name,
                **choice.setting(path),
                "score": None if math.isnan(score) else score,
                "chosen": place == best,
            }


def hyperparameters(study: Study, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What was found, in the form of tokred/published/hyperparameters.yaml; data sets by their adapters."""
    chosen = {Cell(row["dataset"], row["method"], row["keep_rate"]): row for row in rows if row["chosen"]}
    settings = {cell: {name: plain(row[name]) for name in SEARCHED} for cell, row in chosen.items()}
    sources = {cell: _SOURCES[row["trial"] == OF_FIRST] for cell, row in chosen.items()}
    adapters = {name: study.settings.datasets[name].adapter for name in study.datasets}
    first, *others = study.datasets
    baselines = {adapters[name]: settings[baseline(name)] for name in adapters if baseline(name) in chosen}
    own = {adapter: _own(study, name) for name, adapter in adapters.items()}
    return {
        "source": f"search of study {study.study} with {backbone(study)}, chosen on "
        f"{_DECIDES[search_of(study).select_on]}",
        "searched": adapters[first],
        "grid": _grid(study, unreduced=len(baselines) > 0),
        "datasets": own,
        "baseline_deit": baselines,
        "imagenet_selected": {method: _by_rate(study, settings, first, method) for method in methods(study)},
        "selected_source": {
            method: {adapters[name]: _by_rate(study, sources, name, method) for name in others}
            for method in methods(study)
        },
        "fixed": _shared(own[adapters[first]], study),
    }


def _by_rate(study: Study, found: Mapping[Cell, Any], dataset: str, method: str) -> dict[str, Any]:
    """What was found for a method at each keep rate; None for keep rates that it cannot do."""
    possible = rates(study, method)
    return {
        rate: found[Cell(dataset, method, rate)] if rate in possible else None
        for rate in search_of(study).keep_rates or study.keep_rates
    }


def _own(study: Study, dataset: str) -> dict[str, Any]:
    """All training settings of a data set's reduced models, but for the searched ones and methods' own."""
    method = methods(study)[0]
    run = run_in_study(study, Cell(dataset, method, rates(study, method)[0]))
    found = study.settings_below(run, {})
    named = parse(Training, found, f"training on {dataset}").model_dump(exclude=set(SEARCHED))
    return {**named, "augmentation": []}  # which the fields say already


def _grid(study: Study, unreduced: bool) -> dict[str, Any]:
    """Table 2: the values of each setting, those of the unreduced models' grid first."""
    search = search_of(study)
    grids: list[Grid] = [search.others, search.first] if unreduced else [search.first]
    tried = [{name: list(map(plain, values)) for name, values in grid} for grid in grids]
    values = {name: list(dict.fromkeys(v for grid in tried for v in grid[name])) for name in SEARCHED}
    of_first = "; ".join(f"{name} {tried[-1][name]}" for name in SEARCHED)
    note = f"{study.datasets[0]}, by method and keep rate: {of_first}. Unreduced models: the whole grid."
    return {**values, "note": note}


def _shared(settings: Mapping[str, Any], study: Study) -> dict[str, Any]:
    """What the paper gives for all data sets; where they differ, each data set's own settings count."""
    return {
        "optimizer": "adamw",
        "weight_decay": settings["weight_decay"],
        "schedule": "cosine",
        "stochastic_depth": settings["drop_path"],
        "repeated_augmentations": settings["repeats"],
        "mixed_precision": settings["precision"] == "float16",
        "locations": list(study.locations),
    }
