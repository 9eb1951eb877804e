"""A study's training settings as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tokred.comparison.runs import Files
from tokred.study import hyperparameters
from tokred.study.study import Study
from tokred.validation import parse


def setting_rows(study: Study) -> Iterator[dict[str, str]]:
    """Every setting of every data set, method and keep rate (`schemas.SETTINGS`)."""
    first = [run for run in study.runs() if (run.backbone, run.seed) == (study.backbones[0], study.seeds[0])]
    for run in first:
        identity = {"dataset": run.dataset, "method": run.method, "keep_rate": run.keep_rate}
        for name, value in study.training_for(run).model_dump().items():
            yield {**identity, "setting": name, "value": _text(value)}


def grid_rows(study: Study) -> Iterator[dict[str, str]]:
    """The values that the search behind the study's hyperparameters tried (`schemas.GRID`)."""
    for name, values in hyperparameters.grid(study.hyperparameters).items():
        yield {"setting": name, "values": ", ".join(map(_text, values))}


def _text(value: object) -> str:
    """A value as text; numbers without trailing zeros."""
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def rows(inputs: Files, config: Mapping[str, Any]) -> tuple[Iterator[dict[str, str]], ...]:
    """Rows of the tables `settings` and `grid`.

    Args:
        inputs: not read, as the study's configuration names the file with the hyperparameters.
        config: the study's configuration.
    """
    study = parse(Study, config, "configuration of the study")
    return setting_rows(study), grid_rows(study)
