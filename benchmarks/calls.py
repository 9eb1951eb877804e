"""Calls of Snakemake, with their time."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Configuration of a study of next to nothing.
SMOKE = ("--configfile", str(ROOT / "workflow/studies/smoke.yaml"))


@dataclass(frozen=True)
class Call:
    """Output of a call of Snakemake, and its processor and wall time in seconds."""

    printed: str
    cpu: float
    wall: float


def snakemake(folder: Path, *arguments: str, cores: int = 1) -> Call:
    """Call Snakemake in a folder. Raises RuntimeError with its output if it fails."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(folder), "--cores", str(cores), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Call(done.stdout + done.stderr, cpu, time.perf_counter() - start)
