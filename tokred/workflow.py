"""Small things that the Snakefile needs and Snakemake does not have."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from snakemake.exceptions import WorkflowError


@contextmanager
def explain_errors() -> Iterator[None]:
    """Turn a ValueError into a message without a traceback."""
    try:
        yield
    except ValueError as error:
        raise WorkflowError(str(error)) from None


def give_package_to_jobs(folder: str) -> None:
    """Let all jobs import the package in `folder`, in whatever environment they run."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, before]))
