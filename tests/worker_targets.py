"""Functions that tests have the worker run."""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path

import torch


def report(path: str) -> None:
    """Write down who runs this, and with what."""
    logging.getLogger("tests").info("reporting")
    Path(path).write_text(
        json.dumps({"pid": os.getpid(), "parent": os.getppid(), "threads": torch.get_num_threads()})
    )


def fail(reason: str) -> None:
    """Fail as a job does."""
    raise ValueError(reason)


def hang(path: str) -> None:
    """Say who runs this, and go on until killed."""
    Path(path).write_text(str(os.getpid()))
    time.sleep(600)
