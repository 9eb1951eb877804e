"""A study's training settings as tables."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from tokred.study import hyperparameters
from tokred.study.study import Study
from tokred.tables import schemas
from tokred.validation import parse

log = logging.getLogger(__name__)


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
    """A number without noise, or whatever it is."""
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def write(
    config: Mapping[str, Any], outputs: Mapping[str, str], code: Mapping[str, str] = MappingProxyType({})
) -> None:
    """The job: from a study's configuration to "settings" and "grid".

    Args:
        code: by stage, the fingerprint of the code that does it, stored with the tables.
    """
    study = parse(Study, config, "configuration of the study")
    schemas.write_rows(outputs["settings"], setting_rows(study), schemas.SETTINGS, {"code": dict(code)})
    schemas.write_rows(outputs["grid"], grid_rows(study), schemas.GRID, {"code": dict(code)})
    log.info("settings of study %s", study.study)
