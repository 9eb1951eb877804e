"""Device, precision and memory allocation of computations."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

#: glibc's constants of these two parameters (malloc.h).
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1


def resolve(device: str) -> torch.device:
    """The device of this process; ValueError for missing GPUs.

    Each process that torchrun started on this machine uses its own GPU.

    Args:
        device: "auto" (a GPU if there is one), "cpu" or "cuda".
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "cuda" and not gpus:
        raise ValueError(
            "hardware.device 'cuda': torch finds no GPU (no driver, or a torch built for CPUs only); "
            "possible here: 'cpu', 'auto'"
        )
    if device == "cpu" or not gpus:
        return torch.device("cpu")
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if processes > gpus:
        raise ValueError(f"hardware.processes {processes}: expected at most one for each GPU, found {gpus}")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))


def find(name: str) -> torch.device:
    """A device of this machine by torch's name for it; "auto" is a GPU if there is one.

    Raises ValueError for a device that is not there, with those that are.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    here = ["cpu", *(f"cuda:{index}" for index in range(gpus))]
    here += ["mps"] if torch.backends.mps.is_available() else []
    known = {"auto": here[1] if len(here) > 1 else "cpu", **{each: each for each in here}}
    if gpus:
        known["cuda"] = "cuda:0"
    if name not in known:
        raise ValueError(f"device {name!r}: torch finds no such device; possible here: {', '.join(known)}")
    return torch.device(known[name])


def raise_malloc_thresholds() -> None:
    """Raise glibc's M_MMAP_THRESHOLD and M_TRIM_THRESHOLD, to avoid page faults when tensors are reallocated.

    By default glibc returns large freed blocks and the top of the heap to the kernel. The page faults of the
    next allocations take 4 to 13 % of the time of DeiT-S's forward pass (16 images, one core). Without glibc
    there is no effect.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 2**30)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Context with automatic mixed precision ("bfloat16", "float16"), or without ("float32")."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, getattr(torch, precision))


@contextmanager
def explain_oom(run: str, batch_size: int, setting: str) -> Iterator[None]:
    """Context that turns an out-of-memory error into a ValueError with the setting to change.

    Args:
        run: name of the job for the message, such as a run's key.
        batch_size: number of images per forward pass.
        setting: name of the setting to lower.
    """
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        first = str(error).partition(". ")[0]
        raise ValueError(
            f"{run}: {batch_size} images at a time do not fit into memory ({first}); "
            f"set `{setting}` to less than {batch_size}"
        ) from error
