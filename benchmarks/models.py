"""DeiT-S with random weights, reduced or not, and the relative speed of two networks."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from benchmarks.row import Scale
from tokred.efficiency.macs import block_tokens
from tokred.methods.registry import METHODS
from tokred.models.reduce import reduce
from tokred.run import UNREDUCED
from tokred.runtime.device import raise_malloc_thresholds
from tokred.schedules import Stages
from tokred.schedules.macs import Shape, forward_macs

#: The reduced methods, in the registry's order.
REDUCED = [name for name in METHODS if name != UNREDUCED]
LOCATIONS = (3, 6, 9)


@dataclass(frozen=True)
class Setting:
    """Network, images and repeats of a measurement.

    Attributes:
        image_size: height and width of images.
        name: timm's name of the backbone.
        batch: images at a time.
        repeats: how often both sides are measured in turn.
        steps: the same for training steps, which take three times as long.
    """

    image_size: int
    name: str
    batch: int
    repeats: int
    steps: int

    @classmethod
    def of(cls, scale: Scale) -> Setting:
        """DeiT-S on 32 images of 224 pixels; DeiT-T on small images to test that the benchmark runs."""
        if scale.tiny:
            return cls(64, "deit_tiny_patch16_224", 2, 1, 1)
        return cls(224, "deit_small_patch16_224", 32, 9, 5)

    def images(self, number: int | None = None) -> Tensor:
        """(B, 3, height, width) noise, for a batch or another number of images."""
        generator = torch.Generator().manual_seed(0)
        return torch.randn(number or self.batch, 3, self.image_size, self.image_size, generator=generator)

    def unreduced(self) -> VisionTransformer:
        """timm's model in evaluation mode, always with the same weights."""
        torch.manual_seed(0)
        return timm.create_model(self.name, pretrained=False, img_size=self.image_size).eval()

    def reduced(self, method: str, keep_rate: str) -> VisionTransformer:
        """The same model, reduced."""
        vit = self.unreduced()
        torch.manual_seed(1)
        return reduce(vit, method, float(keep_rate), LOCATIONS).eval()

    def ideal(self, method: str, keep_rate: str) -> float:
        """Ideal speedup of a reduced model by multiply-accumulates alone."""
        shape, stages = Shape.of(self.unreduced()), Stages(keep_rate=keep_rate, locations=LOCATIONS)
        reduced = forward_macs(shape, block_tokens(shape, method, stages))
        return forward_macs(shape, shape.unreduced()).total / reduced.total


def speedup(ours: Callable[[], object], theirs: Callable[[], object], repeats: int) -> float:
    """Time of theirs relative to ours: the median over repeats, measured alternately.

    With one thread, processor time of this process counts, as other processes may use the machine; with
    several, wall time. Freed memory is kept, as in the workflow's jobs.
    """
    raise_malloc_thresholds()
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    ours(), theirs()
    return statistics.median(_seconds(theirs, clock) / _seconds(ours, clock) for _ in range(repeats))


def _seconds(function: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    function()
    return clock() - start
