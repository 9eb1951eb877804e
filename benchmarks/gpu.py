"""Every method on a GPU in bfloat16: evaluation, training steps, memory, and one whole epoch.

Not among the benchmarks that run by default. Its figures name the device. `--tiny` takes the CPU where there
is no GPU.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from benchmarks.models import LOCATIONS, REDUCED, Setting
from benchmarks.row import Row, Scale
from benchmarks.training_step import ideal_step, step
from tokred.data.in_memory import Images
from tokred.models.factory import build_model
from tokred.run import Run
from tokred.runtime.device import resolve
from tokred.settings import Backbone, Hardware, Training
from tokred.training.loop import Trainer

#: Images at a time, images of the epoch.
_BATCH, _EPOCH = 256, 4096
_RATES = ("0.50", "0.70")


class Clock:
    """Measures times on a device.

    Attributes:
        device: where it runs.
        name: name of the device.
    """

    def __init__(self, device: torch.device, repeats: int) -> None:
        self.device, self.repeats = device, repeats
        self.name = torch.cuda.get_device_name(device) if self._cuda else f"CPU {platform.machine()}"

    @property
    def _cuda(self) -> bool:
        return self.device.type == "cuda"

    def seconds(self, work: Callable[[], object]) -> float:
        """Wall time of a function in bfloat16: the median over repeats, after three for warm-up."""

        def once() -> float:
            start = time.perf_counter()
            with torch.autocast(self.device.type, torch.bfloat16):
                work()
            if self._cuda:
                torch.cuda.synchronize(self.device)
            return time.perf_counter() - start

        for _ in range(3):
            once()
        if self._cuda:
            torch.cuda.reset_peak_memory_stats(self.device)
        return statistics.median(once() for _ in range(self.repeats))

    def peak(self) -> str:
        """Peak memory since the warm-up of the last measurement, as text."""
        return f", {torch.cuda.max_memory_allocated(self.device) / 1e9:.1f} GB" if self._cuda else ""


def evaluation(model: nn.Module, images: Tensor) -> Callable[[], object]:
    """A forward pass."""

    def run() -> None:
        with torch.inference_mode():
            model(images)

    return run


def measure(scale: Scale) -> Iterator[Row]:
    """Throughput as a fraction of the ideal by multiply-accumulates, against timm's unreduced model.

    Raises ValueError where there is no GPU.
    """
    clock = Clock(resolve("auto" if scale.tiny else "cuda"), scale.of(10, 1))
    setting = Setting.of(scale)
    images = setting.images(scale.of(_BATCH, 2)).to(clock.device)
    methods, rates = (REDUCED[:1], _RATES[:1]) if scale.tiny else (REDUCED, _RATES)
    kinds = {
        "evaluation": lambda model: evaluation(model.eval(), images),
        "evaluation, compiled": lambda model: evaluation(_compiled(model.eval(), scale), images),
        "training step": lambda model: step(model.train(), images),
    }
    for kind, work in kinds.items():
        whole = clock.seconds(work(setting.unreduced().to(clock.device)))
        yield _row(f"{kind}, unreduced", len(images) / whole, clock)
        for rate in rates:
            for method in methods:
                seconds = clock.seconds(work(setting.reduced(method, rate).to(clock.device)))
                learns = kind == "training step"
                ideal = ideal_step(setting, method, rate) if learns else setting.ideal(method, rate)
                note = f", {whole / seconds:.2f} of {ideal:.2f} x the unreduced model's"
                yield _row(f"{kind}, {method}, r = {rate}", len(images) / seconds, clock, note)
                torch.compiler.reset()
    yield _epoch(scale, clock)


def _row(case: str, speed: float, clock: Clock, note: str = "") -> Row:
    return Row(case, speed, "images/s", None, f"{clock.name}{clock.peak()}{note}")


def _compiled(model: nn.Module, scale: Scale) -> nn.Module:
    return torch.compile(model, backend="eager" if scale.tiny else "inductor")


def _epoch(scale: Scale, clock: Clock) -> Row:
    """An epoch of the real training loop on synthetic images in memory."""
    size, count = (64, 8) if scale.tiny else (224, _EPOCH)
    name = "deit_tiny_patch16_224" if scale.tiny else "deit_small_patch16_224"
    backbone = Backbone(model=name, image_size=size, patch_size=16)
    run = Run("made_up", "deit", "topk", "0.50", 0)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)
    images = Images(pixels, torch.arange(count) % 1000, "single", 1000, [str(i) for i in range(count)])
    batch = min(_BATCH, count)
    settings = {"epochs": 1, "warmup_epochs": 0.5, "batch_size": batch, "selection": "last"}
    training = Training(**settings, precision="bfloat16")
    model = build_model(run, backbone, {}, LOCATIONS, 1000)
    trainer = Trainer(model, run, backbone, training, images, None, Hardware(device=clock.device.type))
    trainer.fit(scale.folder / "state.safetensors", "an epoch")
    seconds = trainer.history[0]["seconds"]
    return _row("epoch of topk, r = 0.50", count / seconds, clock, f", {count} images from memory")
