"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before any numeric library is loaded: tests run side by side with others and must not fight for cores.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
#: Folders whose tests share something expensive, such as a finished study, and stay in one process.
_TOGETHER = ("workflow", "slurm", "explorer")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several processes (pytest-xdist), tests of a file or of a shared study stay in one of them."""
    for item in items:
        parts = Path(item.nodeid.partition("::")[0]).parts
        shares = parts[1] in _TOGETHER and "smoke" in getattr(item, "fixturenames", ())
        group = parts[1] if shares or parts[1] in ("slurm", "explorer") else "/".join(parts)
        item.add_marker(pytest.mark.xdist_group(group))
