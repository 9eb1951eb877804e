"""Images that are read and transformed on demand, of any number and size."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tokred.data import transforms
from tokred.data.batch_shard import WHOLE_BATCH, BatchShard
from tokred.data.image_table import ImageTable
from tokred.settings import Backbone, ImageAccess, Training

#: Index in the table, and seed of the augmentation; None in evaluation.
Key = tuple[int, int | None]


@dataclass(frozen=True)
class Stream:
    """A split on disk, with the interface `tokred.data.in_memory.Source`.

    Attributes:
        table: the image table.
        index: (n,) indices in the table of this split's images.
        backbone, access: settings of the evaluation transform.
        workers: number of data loader workers.
        labels: (n,) int64, or (n, C) float32 multi-hot.
    """

    table: ImageTable
    index: Tensor
    backbone: Backbone
    access: ImageAccess
    workers: int
    labels: Tensor

    @classmethod
    def read(cls, path: str, backbone: Backbone, access: ImageAccess, workers: int) -> Stream:
        """All images of a table."""
        table = ImageTable(path)
        labels = torch.from_numpy(np.asarray(table.labels))
        labels = labels.float() if table.info.task == "multi" else labels
        return cls(table, torch.arange(len(table)), backbone, access, workers, labels)

    @property
    def task(self) -> str:
        """ "single" or "multi"."""
        return self.table.info.task

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.table.info.classes)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of labels."""
        return self.table.info.classes

    @property
    def ids(self) -> list[str]:
        """Stable image ids."""
        return [str(self.table.image_ids[i]) for i in self.index.tolist()]

    def __len__(self) -> int:
        return len(self.index)

    def inputs(self, pixels: Tensor, backbone: Backbone) -> Tensor:
        """The images themselves, which workers normalize."""
        return pixels

    def subset(self, index: Tensor) -> Stream:
        """The images at some positions."""
        return replace(self, index=self.index[index], labels=self.labels[index])

    def batches(self, batch_size: int, shard: BatchShard = WHOLE_BATCH) -> Iterator[tuple[Tensor, Tensor]]:
        """All normalized images and labels in order; process r of n gets batches r, r + n, ..."""
        return self._evaluated(batch_size, shard, normalized=True)

    def plain_batches(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All images, with values in [0, 1] and not normalized, and labels in order."""
        return self._evaluated(batch_size, WHOLE_BATCH, normalized=False)

    def _evaluated(
        self, batch_size: int, shard: BatchShard, *, normalized: bool
    ) -> Iterator[tuple[Tensor, Tensor]]:
        batches = list(torch.arange(len(self)).split(batch_size))[shard.rank :: shard.world_size]
        keys: list[list[Key]] = [[(int(self.index[i]), None) for i in batch] for batch in batches]
        transform = transforms.evaluation(self.backbone, self.access, normalized=normalized)
        images = _TransformedImages(self.table, transform)
        for batch, inputs in zip(batches, self._load(images, keys), strict=True):
            yield inputs, self.labels[batch]

    def steps(
        self, training: Training, shard: BatchShard, seed: int
    ) -> Iterator[Iterator[tuple[Tensor, Tensor]]]:
        """One augmented epoch: for each step the micro-batches of this process, with labels.

        Random numbers depend on the seed and the position in the epoch only, not on processes, workers or
        micro-batches. An incomplete last batch is dropped.

        Raises ValueError if the batch is larger than the split, or not divisible into shards or
        micro-batches.
        """
        order, draws = epoch_order(len(self), training, seed)
        slices = shard.slices(training.batch_size)
        keys: Iterator[list[Key]] = (
            list(zip(self.index[images].tolist(), seeds, strict=True))
            for images, seeds in _micro_batches(order, draws, slices)
        )
        loaded = self._load(
            _TransformedImages(self.table, transforms.augmenting(self.backbone, training)), keys
        )
        for step in order:
            yield ((inputs, self.labels[step[part]]) for part, inputs in zip(slices, loaded))  # noqa: B905

    def _load(self, images: _TransformedImages, keys: Iterable[list[Key]]) -> Iterator[Tensor]:
        # With its own generator, since the loader would draw from the global one. "fork", since a spawned
        # process would import the workflow's script again.
        return iter(
            DataLoader(
                images,
                batch_sampler=keys,
                num_workers=self.workers,
                generator=torch.Generator(),
                multiprocessing_context="fork" if self.workers else None,
            )
        )


def epoch_order(count: int, training: Training, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(steps, batch_size) indices of an epoch's images, and seeds of their augmentation.

    With repeated augmentation (Hoffer et al. 2020) an epoch of n images has n / repeats of them, each
    `repeats` times in a row, as in DeiT. Within a step all first copies precede all second ones, so that
    copies are spread over processes, and neighbors, which may be mixed, are different images.
    """
    size, repeats = training.batch_size, training.repeats
    if size > count:
        raise ValueError(f"batch_size {size}: there are only {count} training images")
    rng = np.random.default_rng(seed)
    images = rng.permutation(count)[: -(-count // repeats)].repeat(repeats)
    draws = rng.integers(2**63, size=count)
    apart = np.concatenate([np.arange(size)[copy::repeats] for copy in range(repeats)])
    whole = count // size * size
    return images[:whole].reshape(-1, size)[:, apart], draws[:whole].reshape(-1, size)


def _micro_batches(
    order: NDArray[np.int64], draws: NDArray[np.int64], slices: list[slice]
) -> Iterator[tuple[NDArray[np.int64], list[int]]]:
    """Indices and seeds of each micro-batch of an epoch."""
    for images, seeds in zip(order, draws, strict=True):
        yield from ((images[part], seeds[part].tolist()) for part in slices)


class _TransformedImages(Dataset[Tensor]):
    """Transformed images by key."""

    def __init__(self, table: ImageTable, transform: transforms.Transform) -> None:
        self.table, self.transform = table, transform

    def __getitem__(self, key: Key) -> Tensor:
        index, seed = key
        image = self.table.image(index)
        if seed is None:
            return self.transform(image)
        with _seeded(seed):
            return self.transform(image)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Context that seeds all generators that transforms use, and restores them afterwards."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002 (timm draws from it)
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002
