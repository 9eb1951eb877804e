"""Estimates of the resources that a job requests from a cluster: memory in MB and time in minutes.

The estimates are rough and generous: a job that requests too much waits longer in the queue, and one that
requests too little is killed and restarted with more. A training that runs out of time continues after its
last complete epoch, so its time is capped at what most partitions allow.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tokred.schedules.macs import forward_macs
from tokred.settings import Backbone, Hardware

#: Maximum time of a request, in minutes.
MAX_MINUTES = 24 * 60
#: Assumed throughput (FLOP/s): of an older GPU, and of a CPU core with small matrices.
GPU_THROUGHPUT, CORE_THROUGHPUT = 1e13, 5e9
#: Images per second that a data loader worker is assumed to read and resize.
IMAGES_PER_SECOND = 100
#: Assumed number of images in a table that does not exist yet, as in a dry run.
ASSUMED_IMAGES = 10_000


@dataclass(frozen=True)
class ResourceEstimate:
    """Time and memory of a job that passes images through a network, forward and backward.

    Attributes:
        images: number of images; None if it is not known yet.
        epochs: number of passes over the images.
        batch_size: images per step, over all processes.
        backbone: the network.
        streamed: whether images are read on demand instead of held in memory.
        hardware: processes, data loader workers and micro-batches.
        gpus: number of GPUs of the job; with 0, each process computes on one core.
    """

    images: int | None
    epochs: int
    batch_size: int
    backbone: Backbone
    streamed: bool
    hardware: Hardware
    gpus: int

    def minutes(self, attempt: int) -> int:
        """Time to request for the n-th attempt, counted from 1."""
        shape = self.backbone.shape
        forward_flops = 2 * forward_macs(shape, shape.unreduced()).total
        compute_seconds = 3 * forward_flops / self._throughput()  # the backward pass takes two forward passes
        workers = self._num_processes() * max(1, self.hardware.workers)
        read_seconds = 1 / (IMAGES_PER_SECOND * workers) if self.streamed else 0
        seconds = self._num_images() * max(1, self.epochs) * max(compute_seconds, read_seconds)
        return min(attempt * (15 + math.ceil(seconds / 60)), MAX_MINUTES)

    def memory(self, attempt: int) -> int:
        """Memory to request on each node for the n-th attempt, counted from 1."""
        processes = self.hardware.processes
        bytes_ = 2e9 * processes + 1e9 * processes * self.hardware.workers
        if self.gpus:
            bytes_ += 2e9 * processes  # CUDA, and pinned memory
        else:
            node_batch = math.ceil(self.batch_size / self.hardware.nodes)
            in_memory = min(node_batch, (self.hardware.micro_batch_size or node_batch) * processes)
            # Activations for the backward pass: about 40 numbers of 4 bytes per feature and block.
            shape = self.backbone.shape
            tokens = shape.num_prefix + shape.num_tokens
            bytes_ += 160 * in_memory * tokens * shape.embed_dim * shape.depth
        if not self.streamed:
            bytes_ += (
                15 * processes * self._num_images() * self.backbone.image_size**2
            )  # as bytes and as floats
        return attempt * math.ceil(bytes_ / 1e6)

    def _num_images(self) -> int:
        return ASSUMED_IMAGES if self.images is None else self.images

    def _throughput(self) -> float:
        """FLOP/s of the whole job."""
        return self.gpus * GPU_THROUGHPUT if self.gpus else self._num_processes() * CORE_THROUGHPUT

    def _num_processes(self) -> int:
        """Number of processes on all nodes."""
        return self.hardware.processes * self.hardware.nodes


@dataclass(frozen=True)
class ReadingEstimate:
    """Time and memory of a job that reads tables (a comparison, an artifact).

    Attributes:
        megabytes: total size of the tables.
    """

    megabytes: float

    def memory(self, attempt: int) -> int:
        """Memory to request for the n-th attempt, counted from 1."""
        return attempt * (2000 + math.ceil(4 * self.megabytes))

    def minutes(self, attempt: int) -> int:
        """Time to request for the n-th attempt, counted from 1."""
        return min(attempt * (15 + math.ceil(self.megabytes)), MAX_MINUTES)


@dataclass(frozen=True)
class PreparationEstimate:
    """Time and memory of preparing a split of a data set.

    Attributes:
        reads_files: whether its images are files of the user; otherwise they are generated.
        threads: number of threads that read images.
    """

    reads_files: bool
    threads: int

    def memory(self, attempt: int) -> int:
        """Memory to request for the n-th attempt, counted from 1."""
        return attempt * (2000 + 500 * self.threads)

    def minutes(self, attempt: int) -> int:
        """Time to request for the n-th attempt, counted from 1."""
        return attempt * (480 if self.reads_files else 30)


def megabytes(paths: Iterable[str]) -> float:
    """Total size of the files that exist; those that a job of the same group will write do not exist yet."""
    return sum(Path(path).stat().st_size for path in paths if Path(path).exists()) / 1e6


def rows(table: str) -> int | None:
    """Number of rows of a Parquet table; None if it does not exist or cannot be read."""
    return _rows(table, os.stat(table).st_mtime_ns) if Path(table).exists() else None


@lru_cache
def _rows(table: str, modified: int) -> int | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_metadata(table).num_rows
    except (pa.ArrowException, OSError):  # the job that reads the table reports the error
        return None
