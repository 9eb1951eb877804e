"""Freed memory stays with the process; what it saves is counted in pages, not in seconds."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import torch
from tokred.runtime.device import raise_malloc_thresholds

if sys.argv[1] == "keep":
    raise_malloc_thresholds()
for number in range(20):
    if number == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_tensors_take_memory_that_others_left() -> None:
    pages = {}
    for how in ("keep", "default"):
        call = [sys.executable, "-c", FAULTS, how]
        pages[how] = int(subprocess.run(call, capture_output=True, text=True, check=True).stdout)
    assert pages["keep"] < pages["default"] / 100
