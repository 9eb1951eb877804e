"""Speed of bfloat16 relative to float32 on this machine."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from benchmarks.models import Setting, speedup
from benchmarks.row import Row, Scale


def measure(scale: Scale) -> Iterator[Row]:
    """r = 0.7: throughput under autocast over that in float32."""
    setting = Setting.of(scale)
    images = setting.images()
    for method in ("topk", "tome"):
        model = setting.reduced(method, "0.70")

        def half(model: torch.nn.Module = model) -> None:
            with torch.autocast("cpu", torch.bfloat16):
                model(images)

        with torch.inference_mode():
            found = speedup(half, lambda model=model: model(images), setting.repeats)
        yield Row(f"{method}, r = 0.70", found, "x", None, "bfloat16 over float32")
