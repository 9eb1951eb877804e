"""Functions for the Snakefile: errors without tracebacks, the environment of jobs, a scheduler setting."""

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
    """An error in a study or in a requested target; Snakemake prints the message without lines of code."""

    # Snakemake takes the lines of code from the traceback.
    __traceback__ = property(lambda self: None, lambda self, value: None)


@contextmanager
def explain_errors() -> Iterator[None]:
    """Context that turns a ValueError into a StudyError, which is printed without a traceback."""
    try:
        yield
    except ValueError as error:
        raise StudyError(str(error)) from None


def prepare_environment(folder: str, hardware: Hardware) -> None:
    """Set environment variables for all jobs; called whenever the Snakefile is read, also on cluster nodes.

    Args:
        folder: the repository; jobs import its package in any conda environment.
        hardware: of the study. As a parameter of rules, it would rerun jobs when it changes.
    """
    os.environ[HARDWARE] = hardware.model_dump_json()
    # Text, file names and messages are UTF-8 in every job, independent of the locale.
    os.environ["PYTHONUTF8"] = "1"
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, before]))


def disable_default_job_rate_limit(workflow: Workflow) -> None:
    """Remove the command line's default limit of 100 started jobs per second; other limits stay.

    With a limit, Snakemake 9 runs the scheduler once per second for every job that has ended, as long as
    jobs are ready (docs/snakemake-scheduler.md). To be called when the workflow starts (`onstart`).
    Versions of Snakemake without this attribute are left unchanged.
    """
    limit = getattr(workflow.scheduling_settings, "max_jobs_per_timespan", None)
    if limit is None or (limit.max_jobs, limit.timespan) != (100, 1):
        return
    if hasattr(workflow.scheduler, "job_rate_limiter"):
        workflow.scheduler.job_rate_limiter = None
