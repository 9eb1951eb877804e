"""How much of a forward pass is the reduction itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tokred.efficiency.passes import forward_pass
from tokred.efficiency.timing import Spread, synchronize


def reduction_share(
    model: nn.Module, images: Tensor, precision: str = "float32", repeats: int = 10, warm_up: int = 2
) -> Spread:
    """Fraction of a forward pass's time in the method's stages, with the attention scores that they ask for.

    What a stage makes necessary elsewhere, such as gathering the kept tokens or explicit attention
    (`Reducer.attend`), is not in it. A compiled model has no separate stages: pass the model itself.

    Args:
        model: a reduced model in evaluation mode, on its device; an unreduced one has a share of 0.
        images: (B, 3, height, width) on the same device.
        precision: of matrix products and attention.
        repeats: number of passes of which the spread is returned.
        warm_up: number of passes before.
    """
    clock = _Clock(images.device)
    reducers: Any = getattr(model, "reducers", ())
    hooks = [reducer.register_forward_pre_hook(clock.start) for reducer in reducers]
    hooks += [reducer.register_forward_hook(clock.stop) for reducer in reducers]
    if len(reducers):
        reducers[0].begin = clock.within(reducers[0].begin)  # where some methods prepare their stages
    work, shares = forward_pass(model, images, precision), []
    try:
        for index in range(warm_up + repeats):
            clock.begin()
            work()
            share = clock.end()
            if index >= warm_up:
                shares.append(share)
    finally:
        for hook in hooks:
            hook.remove()
        if len(reducers):
            del reducers[0].begin
    return Spread.of(tuple(shares))


class _Clock:
    """Measures a pass, and the calls of some modules in it, by the device's own clock."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._marks: list[Any] = []

    def begin(self) -> None:
        """A pass begins."""
        synchronize(self._device)
        self._marks = [self._now()]

    def end(self) -> float:
        """A pass has ended; the fraction of its time that was in the modules."""
        self._marks.append(self._now())
        synchronize(self._device)
        first, *inside, last = self._marks
        pairs = zip(inside[::2], inside[1::2], strict=True)
        return sum(self._between(*pair) for pair in pairs) / self._between(first, last)

    def start(self, module: nn.Module, inputs: object) -> None:
        """A module is called."""
        self._marks.append(self._now())

    def stop(self, module: nn.Module, inputs: object, output: object) -> None:
        """A module returns."""
        self._marks.append(self._now())

    def within(self, function: Callable[[Tensor], object]) -> Callable[[Tensor], object]:
        """A function of the modules, which counts as well."""

        def run(x: Tensor) -> object:
            self._marks.append(self._now())
            result = function(x)
            self._marks.append(self._now())
            return result

        return run

    def _now(self) -> Any:
        if self._device.type != "cuda":
            synchronize(self._device)
            return time.perf_counter()
        event: Any = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _between(self, start: Any, stop: Any) -> float:
        return float(start.elapsed_time(stop) if self._device.type == "cuda" else stop - start)
