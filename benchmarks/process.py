"""Functions in a separate process, to measure its peak memory and set its number of threads."""

from __future__ import annotations

import multiprocessing
import os
import re
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

#: Variables that tell BLAS, OpenMP and pyarrow how many threads to use.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Run:
    """Result of a function in a separate process, with its time and memory.

    Attributes:
        value: return value.
        wall: seconds.
        cpu: processor seconds of all threads.
        peak: most bytes that the process had in memory at a time, imports included.
    """

    value: object
    wall: float
    cpu: float
    peak: int


def alone(function: Callable, *arguments: object, threads: int = 1) -> Run:
    """Call an importable function in a fresh process with a number of threads.

    An exception in it is raised here.
    """
    os.environ.update(dict.fromkeys(_THREADS, str(threads)))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_measured, function, arguments).result()


def _measured(function: Callable, arguments: tuple[object, ...]) -> Run:
    wall, cpu = time.perf_counter(), time.process_time()
    value = function(*arguments)
    return Run(value, time.perf_counter() - wall, time.process_time() - cpu, peak_memory())


def peak_memory() -> int:
    """Peak resident memory of this process in bytes (Linux)."""
    # Not `getrusage`, whose peak is that of the parent if that was higher.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(re.search(r"VmHWM:\s*(\d+) kB", status).group(1))
