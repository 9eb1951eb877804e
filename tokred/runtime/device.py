"""Where tensors are computed, how precisely, and in what memory."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

#: glibc's numbers of its two parameters (malloc.h).
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1


def resolve(device: str) -> torch.device:
    """The device of this process; ValueError for GPUs that are not there.

    Each of the processes that torchrun started on this machine has a GPU of its own.

    Args:
        device: "auto" (a GPU where there is one), "cpu" or "cuda".
    """
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "cuda" and not found:
        raise ValueError(
            "hardware.device 'cuda': torch finds no GPU (no driver, or a torch built for CPUs only); "
            "possible here: 'cpu', 'auto'"
        )
    if device == "cpu" or not found:
        return torch.device("cpu")
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if processes > found:
        raise ValueError(f"hardware.processes {processes}: expected at most one for each GPU, found {found}")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))


def keep_freed_memory() -> None:
    """Have this process keep freed memory for its next tensors (glibc; elsewhere nothing changes).

    By default glibc hands large blocks and the end of its heap back to the kernel, which clears every page
    again that comes back: 4 to 13 % of the processor time of DeiT-S's forward pass, 16 images on one core.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 2**30)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Context in which matrix products run in a precision ("float32", "bfloat16", "float16")."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, getattr(torch, precision))


@contextmanager
def enough_memory(whose: str, count: int, option: str) -> Iterator[None]:
    """Turn a device's lack of memory into one line that says what to change.

    Args:
        whose: what the message calls the work, such as a run's key.
        count: images that are passed through the network at a time.
        option: option to lower.
    """
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        first = str(error).partition(". ")[0]
        raise ValueError(
            f"{whose}: {count} images at a time do not fit into memory ({first}); "
            f"set `{option}` to less than {count}"
        ) from error
