"""The conditions of a measurement, which are stored with every number."""

from __future__ import annotations

import datetime
import platform
import re
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
from timm.layers import use_fused_attn
from torch import Tensor

import tokred


@dataclass(frozen=True)
class Conditions:
    """Hardware, software and settings of a measurement.

    Attributes:
        device: name of the GPU, or of the CPU.
        processor: name of the CPU.
        threads: of torch on the CPU.
        torch, timm, tokred: versions; torch's says for which CUDA it is built.
        precision: of matrix products and attention.
        compiled: whether the models were compiled by `torch.compile`.
        fused_attention: whether timm's attention layers use torch's fused attention.
        image: size of an image, such as "3 x 224 x 224".
        channels_last: whether images are in that memory format.
        date: of the measurement, ISO 8601 in UTC.
    """

    device: str
    processor: str
    threads: int
    torch: str
    timm: str
    tokred: str
    precision: str
    compiled: bool
    fused_attention: bool
    image: str
    channels_last: bool
    date: str

    @classmethod
    def of(cls, images: Tensor, precision: str = "float32", compiled: bool = False) -> Conditions:
        """The conditions here and now, for images on the device that is measured."""
        cuda = images.device.type == "cuda"
        processor = processor_name()
        last = images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous()
        return cls(
            device=torch.cuda.get_device_name(images.device) if cuda else processor,
            processor=processor,
            threads=torch.get_num_threads(),
            torch=str(torch.__version__),
            timm=timm.__version__,
            tokred=tokred.__version__,
            precision=precision,
            compiled=compiled,
            fused_attention=bool(use_fused_attn()),
            image=" x ".join(map(str, images.shape[1:])),
            channels_last=last,
            date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )


def processor_name() -> str:
    """Name of the CPU, as Linux knows it, or its architecture."""
    about = Path("/proc/cpuinfo")
    text = about.read_text(encoding="utf-8") if about.is_file() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else platform.processor() or platform.machine()
