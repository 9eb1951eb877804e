"""What a job asks a cluster for: memory in MB and time in minutes, from what it works on.

Rough and generous: a job that asks for too much waits longer, one that asks for too little is killed and
started again with more. A training that runs out of time goes on after its last epoch, so its time is capped
at what most partitions allow.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tokred.models.macs import Shape, forward_macs
from tokred.settings import Backbone, Hardware

#: The longest time asked for, in minutes.
LONGEST = 24 * 60
#: Floating point operations per second that count on: of an older GPU, of a CPU core with small matrices.
GPU_SPEED, CORE_SPEED = 1e13, 5e9
#: Streamed images per second that a worker process reads and resizes.
WORKER_SPEED = 100
#: Images of a table that has not been written yet, in a dry run.
UNKNOWN_IMAGES = 10_000
#: Widths of timm's models by a word of their names: asking timm would cost each call of Snakemake the seconds
#: that the import of torch takes.
_WIDTHS = {"tiny": 192, "small": 384, "base": 768, "large": 1024, "huge": 1280, "giant": 1408}


@dataclass(frozen=True)
class Load:
    """Images that pass through a network, forward and back.

    Attributes:
        images: how many, None where nobody knows yet.
        epochs: how often each.
        batch_size: how many at a time, in all processes.
        backbone: the network.
        streamed: whether images are read as they are needed, not held in memory.
        hardware: processes, workers and micro-batches.
        gpus: that the job has; 0: it computes on one core a process.
    """

    images: int | None
    epochs: int
    batch_size: int
    backbone: Backbone
    streamed: bool
    hardware: Hardware
    gpus: int

    def minutes(self, attempt: int) -> int:
        """Time of the job, at its n-th attempt."""
        shape = shape_of(self.backbone)
        operations = 2 * forward_macs(shape, shape.unreduced()).total
        computed = 3 * operations / self._speed()
        workers = self._processes() * max(1, self.hardware.workers)
        read = 1 / (WORKER_SPEED * workers) if self.streamed else 0
        seconds = self._images() * max(1, self.epochs) * max(computed, read)
        return min(attempt * (15 + math.ceil(seconds / 60)), LONGEST)

    def memory(self, attempt: int) -> int:
        """Memory of the job, on each node, at its n-th attempt."""
        processes = self.hardware.processes
        bytes_ = 2e9 * processes + 1e9 * processes * self.hardware.workers
        if self.gpus:
            bytes_ += 2e9 * processes  # CUDA, and pinned memory
        else:
            share = math.ceil(self.batch_size / self.hardware.nodes)
            at_once = min(share, (self.hardware.micro_batch_size or share) * processes)
            # What the backward pass needs: some 40 numbers of 4 bytes for each feature in each block.
            shape = shape_of(self.backbone)
            tokens = shape.num_prefix + shape.num_tokens
            bytes_ += 160 * at_once * tokens * shape.embed_dim * shape.depth
        if not self.streamed:
            bytes_ += 15 * processes * self._images() * self.backbone.image_size**2  # as bytes and as floats
        return attempt * math.ceil(bytes_ / 1e6)

    def _images(self) -> int:
        return UNKNOWN_IMAGES if self.images is None else self.images

    def _speed(self) -> float:
        return self.gpus * GPU_SPEED if self.gpus else self._processes() * CORE_SPEED

    def _processes(self) -> int:
        """Of all nodes."""
        return self.hardware.processes * self.hardware.nodes


@dataclass(frozen=True)
class Reading:
    """The work of a job that reads tables (a comparison, an artifact).

    Attributes:
        megabytes: size of the tables.
    """

    megabytes: float

    def memory(self, attempt: int) -> int:
        """Memory of the job, at its n-th attempt."""
        return attempt * (2000 + math.ceil(4 * self.megabytes))

    def minutes(self, attempt: int) -> int:
        """Time of the job, at its n-th attempt."""
        return min(attempt * (15 + math.ceil(self.megabytes)), LONGEST)


@dataclass(frozen=True)
class Preparation:
    """The work of preparing a split of a data set.

    Attributes:
        reads_files: whether its images are files of the user's; otherwise they are made.
        threads: that read images.
    """

    reads_files: bool
    threads: int

    def memory(self, attempt: int) -> int:
        """Memory of the job, at its n-th attempt."""
        return attempt * (2000 + 500 * self.threads)

    def minutes(self, attempt: int) -> int:
        """Time of the job, at its n-th attempt."""
        return attempt * (480 if self.reads_files else 30)


def megabytes(paths: Iterable[str]) -> float:
    """Size of the files that are there: of a group of jobs, some write what others read."""
    return sum(Path(path).stat().st_size for path in paths if Path(path).exists()) / 1e6


def rows(table: str) -> int | None:
    """Rows of a Parquet table, None where there is none that can be read."""
    return _rows(table, os.stat(table).st_mtime_ns) if Path(table).exists() else None


@lru_cache
def _rows(table: str, changed: int) -> int | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_metadata(table).num_rows
    except (pa.ArrowException, OSError):  # the job that reads it has more to say
        return None


def shape_of(backbone: Backbone) -> Shape:
    """The sizes of a backbone, without a classifier, as far as its configuration tells.

    The width is the configuration's, or that of the size in the model's name, or a base model's.
    """
    named = next((size for word, size in _WIDTHS.items() if f"_{word}_" in backbone.model), _WIDTHS["base"])
    width = backbone.kwargs.get("embed_dim", named)
    return Shape(
        num_tokens=math.prod(backbone.grid),
        num_prefix=1,
        patch_dim=3 * backbone.patch_size**2,
        embed_dim=width,
        mlp_dim=int(width * backbone.kwargs.get("mlp_ratio", 4)),
        depth=backbone.depth,
        num_classes=0,
    )
