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

    from tokred.settings import Hardware


class StudyError(WorkflowError):  # type: ignore[misc] # Snakemake has no types
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


def drop_default_job_rate_limit(workflow: Workflow) -> None:
    """Run without the command line's default limit of 100 started jobs per second; another limit stays.

    With a limit, Snakemake 9 selects jobs once per second for every job that has ended, as long as any are
    ready: docs/snakemake-scheduler.md. To be called at the workflow's start (`onstart`). A Snakemake without
    this limit, or whose scheduler keeps it elsewhere, is left as it is.
    """
    limit = getattr(workflow.scheduling_settings, "max_jobs_per_timespan", None)
    if limit is None or (limit.max_jobs, limit.timespan) != (100, 1):
        return
    if hasattr(workflow.scheduler, "job_rate_limiter"):
        workflow.scheduler.job_rate_limiter = None
