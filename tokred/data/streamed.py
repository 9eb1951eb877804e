"""Images of any number and size, read and transformed as they are needed."""

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
from tokred.data.batch_shard import WHOLE, Share
from tokred.data.image_table import ImageTable
from tokred.settings import Backbone, ImageAccess, Training

#: Position in the table, and seed of the augmentation; None to evaluate.
Key = tuple[int, int | None]


@dataclass(frozen=True)
class Stream:
    """A split on disk; has what `tokred.data.in_memory.Images` has, but no pixels.

    Attributes:
        table: where the images are.
        index: (n,) positions in the table that belong to this split.
        backbone, access: what the images are made fit for.
        workers: processes that read.
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
        """The whole of an image table."""
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
        """What is streamed is normalised already."""
        return pixels

    def subset(self, index: Tensor) -> Stream:
        """The images at some positions."""
        return replace(self, index=self.index[index], labels=self.labels[index])

    def batches(self, batch_size: int, share: Share = WHOLE) -> Iterator[tuple[Tensor, Tensor]]:
        """All images in order, normalised; of several processes each gets every so many-th batch."""
        batches = list(torch.arange(len(self)).split(batch_size))[share.rank :: share.processes]
        keys = [[(int(self.index[i]), None) for i in batch] for batch in batches]
        images = _Pictures(self.table, transforms.evaluation(self.backbone, self.access))
        for batch, inputs in zip(batches, self._load(images, keys), strict=True):
            yield inputs, self.labels[batch]

    def steps(self, training: Training, share: Share, seed: int) -> Iterator[Iterator[tuple[Tensor, Tensor]]]:
        """One epoch, augmented: for each step this process's micro-batches of normalised images and labels.

        Everything random follows from the seed and the places in the epoch, so that it does not depend on
        processes, workers or micro-batches. An incomplete last batch is left out.

        Raises ValueError where the batch is larger than the split, or cannot be parted.
        """
        order, draws = epoch_order(len(self), training, seed)
        slices = share.slices(training.batch_size)
        keys = (list(zip(self.index[i].tolist(), d, strict=True)) for i, d in _parts(order, draws, slices))
        loaded = self._load(_Pictures(self.table, transforms.augmenting(self.backbone, training)), keys)
        for step in order:
            yield ((inputs, self.labels[step[part]]) for part, inputs in zip(slices, loaded))  # noqa: B905

    def _load(self, images: _Pictures, keys: Iterable[list[Key]]) -> Iterator[Tensor]:
        # A generator of its own: the loader would draw from the global one otherwise. "fork": what starts
        # anew would import the workflow's script again.
        return iter(
            DataLoader(
                images,
                batch_sampler=keys,
                num_workers=self.workers,
                generator=torch.Generator(),
                multiprocessing_context="fork" if self.workers else None,
            )
        )


def epoch_order(count: int, training: Training, seed: int) -> tuple[NDArray, NDArray]:
    """(steps, batch_size) images of an epoch, and seeds of their augmentation.

    With repeated augmentation (Hoffer et al. 2020) an epoch of n images shows n / repeats of them, each
    `repeats` times in a row, as in DeiT. Within a step all first copies come before all second ones:
    processes share the copies, and neighbours, which may be mixed, are different images.
    """
    size, repeats = training.batch_size, training.repeats
    if size > count:
        raise ValueError(f"batch_size {size}: there are only {count} images to learn from")
    rng = np.random.default_rng(seed)
    images = rng.permutation(count)[: -(-count // repeats)].repeat(repeats)
    draws = rng.integers(2**63, size=count)
    apart = np.concatenate([np.arange(size)[copy::repeats] for copy in range(repeats)])
    whole = count // size * size
    return images[:whole].reshape(-1, size)[:, apart], draws[:whole].reshape(-1, size)


def _parts(order: NDArray, draws: NDArray, slices: list[slice]) -> Iterator[tuple[NDArray, list[int]]]:
    """Images and seeds of each micro-batch of an epoch."""
    for images, seeds in zip(order, draws, strict=True):
        yield from ((images[part], seeds[part].tolist()) for part in slices)


class _Pictures(Dataset):
    """Transformed pictures by key."""

    def __init__(self, table: ImageTable, transform: transforms.Transform) -> None:
        self.table, self.transform = table, transform

    def __getitem__(self, key: Key) -> Tensor:
        index, seed = key
        picture = self.table.image(index)
        if seed is None:
            return self.transform(picture)
        with _seeded(seed):
            return self.transform(picture)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """All generators that transforms draw from, seeded, and afterwards as they were."""
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
