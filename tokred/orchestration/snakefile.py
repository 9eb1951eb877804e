"""Small things that the Snakefile needs and Snakemake does not have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from snakemake.exceptions import WorkflowError

from tokred.orchestration.job_runner import HARDWARE

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

    from tokred.study import Hardware


class StudyError(WorkflowError):
    """A mistake in a study or in what was asked of it; Snakemake prints the message without lines of code."""

    # Snakemake reads the lines from here.
    __traceback__ = property(lambda self: None, lambda self, value: None)


@contextmanager
def explain_errors() -> Iterator[None]:
    """Turn a ValueError into a message without a traceback."""
    try:
        yield
    except ValueError as error:
        raise StudyError(str(error)) from None


def prepare_environment(folder: str, hardware: Hardware) -> None:
    """Set the environment variables of all jobs; called wherever the Snakefile is read, on clusters as well.

    Args:
        folder: its package is imported, in whatever environment a job runs.
        hardware: of the study. A parameter of the rules would rerun jobs where it changes.
    """
    os.environ[HARDWARE] = hardware.model_dump_json()
    # Text, names of files and messages are UTF-8 in every job, whatever the locale.
    os.environ["PYTHONUTF8"] = "1"
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, before]))


def look_for_jobs_when_one_ends(workflow: Workflow) -> None:
    """Have Snakemake look for ready jobs when a job has ended, not all the time; to be called at its start.

    With a limit of jobs a second, its scheduler looks once more every second for every job that ended so far:
    after two hundred jobs that is half a core. The command line's default limit, 100 a second, goes; another
    stays.
    """
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if limit is not None and (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None
