"""What all tests share."""

from __future__ import annotations

import os

# Before any numeric library is loaded: tests run side by side with others and must not fight for cores.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
