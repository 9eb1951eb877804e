"""One trial of a search: a training of which nothing but its history is kept."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path

from tokred.runtime import distributed, launch
from tokred.search.choice import chosen_setting
from tokred.settings import Training, parse
from tokred.settings.jobs import TrainJob, TrialJob, takes
from tokred.tables import schemas
from tokred.training import job as training_job
from tokred.training.diverged import Diverged

log = logging.getLogger(__name__)


@takes(TrialJob)
def run_trial(job: TrialJob) -> None:
    """Train a model with one setting and write its history, without rows where the loss became infinite.

    The state of an unfinished training lies beside the history.
    """
    if launch.is_needed(job.hardware):
        return launch.run("tokred.search.trial:run_trial", job, Path(job.history).parent)
    setting = dict(job.setting or {}) if job.chosen is None else chosen_setting(job.chosen)
    settings = parse(
        Training, {**job.training.model_dump(exclude_unset=True), **setting}, "training of a trial"
    )
    checkpoint = Path(job.history).with_suffix(".safetensors")
    given = {name: getattr(job, name) for name in TrainJob.model_fields if name in TrialJob.model_fields}
    try:
        training_job.train(TrainJob(**{**given, "training": settings, "checkpoint": str(checkpoint)}))
    except Diverged as error:
        # A grid may well reach too far. What diverges is known to be worse than all else.
        log.info("%s", error)
        if distributed.rank() == 0:
            facts = {"run": asdict(job.run), "model": job.model.model_dump(mode="json")}
            facts |= {"training": settings.model_dump(mode="json"), "code": job.code}
            schemas.write_rows(job.history, [], schemas.HISTORY, facts)
    if distributed.rank() == 0:
        for left in (checkpoint, checkpoint.with_suffix(".state.safetensors")):
            left.unlink(missing_ok=True)
    return None
