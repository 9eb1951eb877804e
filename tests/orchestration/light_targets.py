"""Functions that tests have the worker run, or the job's own process, which loads nothing for them."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path


def tell_parent(path: str) -> None:
    """Write down the parent of the process that runs this."""
    logging.getLogger("tests").info("telling")
    Path(path).write_text(str(os.getppid()))


def hang(path: str) -> None:
    """Say who runs this, and go on until killed."""
    Path(path).write_text(str(os.getpid()))
    time.sleep(600)


def hang_once(path: str) -> None:
    """Hang like `hang`; whoever runs this a second time says so and ends well."""
    if Path(path).exists():
        Path(f"{path}.again").write_text(str(os.getpid()))
    else:
        hang(path)
