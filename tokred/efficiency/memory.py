"""Peak memory of a model's work."""

from __future__ import annotations

import gc
import os
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from tokred.efficiency.timing import Work, synchronize


def peak_memory(work: Work, model: nn.Module, device: torch.device) -> int:
    """Bytes that a model needs for some work: those of its parameters, and the most that it allocates.

    Allocated is what tensors hold at the same time, as torch's own allocators count it, beyond what was
    there before. The images do not count, nor libraries and other models in the process. On a CPU the number
    is the same in each run.

    Args:
        work: what is done, such as a forward pass.
        model: whose parameters and buffers count.
        device: where the work is done.
    """
    own = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    return own + (_peak_on_gpu(work, device) if device.type == "cuda" else _peak_on_cpu(work))


def _peak_on_gpu(work: Work, device: torch.device) -> int:
    synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    work()
    synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def _peak_on_cpu(work: Work) -> int:
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler writes lines that concern nobody
    gc.collect()  # what is freed meanwhile would be subtracted
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    inner: Any = profiler.profiler
    events = [event for event in inner.kineto_results.events() if event.name() == "[memory]"]
    now = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak
