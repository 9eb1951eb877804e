"""One trial of a search: a training of which nothing but its history is kept."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

from tokred.runtime import distributed, launch
from tokred.search.choice import chosen_setting
from tokred.study import Hardware
from tokred.study.run import Run
from tokred.tables import schemas
from tokred.training import job
from tokred.training.loop import Diverged

log = logging.getLogger(__name__)


def attempt(
    run: Mapping[str, object],
    model: Mapping[str, object],
    training: Mapping[str, object],
    setting: Mapping[str, float] | None,
    chosen: str | None,
    code: Mapping[str, str],
    pretrained: str | None,
    keep_head: bool,
    train_table: str,
    test_table: str | None,
    history: str,
    images: Mapping[str, object] = MappingProxyType({}),
    hardware: Mapping[str, object] = MappingProxyType({}),
) -> None:
    """Train a model with one setting and write its history, without rows where the loss became infinite.

    Args:
        setting: the searched fields of `Training`, in place of those of `training`; None: those in `chosen`.
        chosen: file with the setting that another cell of the search chose.
        run, model, training, code, pretrained, keep_head, train_table, test_table, history, images, hardware:
            as for `tokred.training.job.train`. The state of an unfinished training lies beside the history.
    """
    given, machine = dict(locals()), Hardware(**hardware)
    if launch.needed(machine):
        return launch.run("tokred.search.attempt:attempt", given, machine, Path(history).parent)
    setting = chosen_setting(chosen) if setting is None else setting
    settings = {**training, **setting}
    given = {k: v for k, v in given.items() if k not in ("setting", "chosen")}
    checkpoint = Path(history).with_suffix(".safetensors")
    try:
        job.train(**{**given, "training": settings, "checkpoint": str(checkpoint)})
    except Diverged as error:
        # A grid may well reach too far. What diverges is known to be worse than all else.
        log.info("%s", error)
        if distributed.rank() == 0:
            facts = {"run": asdict(Run(**run)), "model": dict(model), "training": settings}
            facts["code"] = dict(code)
            schemas.write_rows(history, [], schemas.HISTORY, facts)
    if distributed.rank() == 0:
        for left in (checkpoint, checkpoint.with_suffix(".state.safetensors")):
            left.unlink(missing_ok=True)
    return None
