"""The workflow's job: all benchmarks in a separate process."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

log = logging.getLogger(__name__)


def measure() -> None:
    """Run `python -m benchmarks`, print and log its output; CalledProcessError if it fails."""
    command = [sys.executable, "-u", "-m", "benchmarks"]
    root = Path(__file__).parents[1]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, encoding="utf-8") as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            log.info("%s", line.rstrip())
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
