"""Functions that tests have the worker run."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import torch


def report(path: str) -> None:
    """Write the process ids and the number of threads of a job."""
    logging.getLogger("tests").info("reporting")
    Path(path).write_text(
        json.dumps({"pid": os.getpid(), "parent": os.getppid(), "threads": torch.get_num_threads()})
    )


def fail(reason: str) -> None:
    """Fail as a job does."""
    raise ValueError(reason)
