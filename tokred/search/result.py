"""The result of a search: the table of its trials, and the chosen hyperparameters."""

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
from tokred.study.search import SEARCHED, Grid, without_fraction
from tokred.study.study import Study
from tokred.tables import identity, lineage, schemas

log = logging.getLogger(__name__)
_DECIDES = {"holdout": "a held-out part of the training split", "test": "the test split"}
#: Source of a setting as in Table 6, by whether it is that of the first data set.
_SOURCES = {True: "imagenet", False: "deit"}


def write(
    config: Mapping[str, Any],
    inputs: Mapping[str, Sequence[str]],
    outputs: Mapping[str, str],
    code: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """The job that collects the histories of all trials; it writes "trials" and "hyperparameters".

    Args:
        config: the study's configuration.
        inputs: "histories", one for each trial, in the order of `tokred.search.plan.plan`.
        code: fingerprint of the code by workflow stage, stored with the table.
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
    """Rows of `schemas.TRIALS`: every trial of the search, from its history."""
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
        for index, (name, path, score) in enumerate(zip(options, files, scores, strict=True)):
            yield {
                "dataset": cell.dataset,
                "backbone": backbone(study),
                "method": cell.method,
                "keep_rate": cell.keep_rate,
                "place": index,
                "trial": name,
                **choice.setting(path),
                "score": None if math.isnan(score) else score,
                "chosen": index == best,
            }


def hyperparameters(study: Study, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The chosen settings in the form of tokred/published/hyperparameters.yaml, by adapter."""
    chosen = {Cell(row["dataset"], row["method"], row["keep_rate"]): row for row in rows if row["chosen"]}
    settings = {
        cell: {name: without_fraction(row[name]) for name in SEARCHED} for cell, row in chosen.items()
    }
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


def _by_rate(study: Study, chosen: Mapping[Cell, Any], dataset: str, method: str) -> dict[str, Any]:
    """The entry of a method at each keep rate; None for keep rates that it does not support."""
    possible = rates(study, method)
    return {
        rate: chosen[Cell(dataset, method, rate)] if rate in possible else None
        for rate in search_of(study).keep_rates or study.keep_rates
    }


def _own(study: Study, dataset: str) -> dict[str, Any]:
    """Training settings of a data set's reduced models, without searched ones and those of methods."""
    method = methods(study)[0]
    run = run_in_study(study, Cell(dataset, method, rates(study, method)[0]))
    settings = study.settings_below(run, {})
    fields = parse(Training, settings, f"training on {dataset}").model_dump(exclude=set(SEARCHED))
    return {**fields, "augmentation": []}  # the fields include it


def _grid(study: Study, unreduced: bool) -> dict[str, Any]:
    """Table 2: the values of each setting, first those in the grid of the unreduced models."""
    search = search_of(study)
    grids: list[Grid] = [search.others, search.first] if unreduced else [search.first]
    tried = [{name: list(map(without_fraction, values)) for name, values in grid} for grid in grids]
    values = {name: list(dict.fromkeys(v for grid in tried for v in grid[name])) for name in SEARCHED}
    of_first = "; ".join(f"{name} {tried[-1][name]}" for name in SEARCHED)
    note = f"{study.datasets[0]}, by method and keep rate: {of_first}. Unreduced models: the whole grid."
    return {**values, "note": note}


def _shared(settings: Mapping[str, Any], study: Study) -> dict[str, Any]:
    """Settings that are the same for all data sets in the paper; those of the data sets override them."""
    return {
        "optimizer": "adamw",
        "weight_decay": settings["weight_decay"],
        "schedule": "cosine",
        "stochastic_depth": settings["drop_path"],
        "repeated_augmentations": settings["repeats"],
        "mixed_precision": settings["precision"] == "float16",
        "locations": list(study.locations),
    }
