"""Streamed images: all of them, reproducible, whoever reads them."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from tests.training.pictures import AUGMENTED, CENTER, SMALL, table
from tokred.data import transforms
from tokred.data.batch_shard import WHOLE_BATCH as ALONE
from tokred.data.batch_shard import BatchShard
from tokred.data.in_memory import hold_out
from tokred.data.streamed import Stream, epoch_order
from tokred.settings import Training

TRAINING = Training(batch_size=6, **AUGMENTED)
# Python 3.12 warns of any fork in a process with threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return table(tmp_path_factory.mktemp("data") / "train.parquet", 20)


def stream(path: str, workers: int = 0) -> Stream:
    return Stream.read(path, SMALL, CENTER, workers)


def epoch(images: Stream, shard: BatchShard = ALONE, seed: int = 7) -> list[list[tuple]]:
    return [list(parts) for parts in images.steps(TRAINING, shard, seed)]


def test_batches_are_the_table_in_order(path: str) -> None:
    images = stream(path)
    inputs, labels = (torch.cat(parts) for parts in zip(*images.batches(6), strict=True))
    plain = transforms.evaluation(SMALL, CENTER)
    assert torch.equal(inputs, torch.stack([plain(images.table.image(i)) for i in range(20)]))
    assert labels.tolist() == [i % 5 for i in range(20)]
    assert images.ids == [f"train-{i}" for i in range(20)]
    assert (images.task, images.num_classes, len(images)) == ("single", 5, 20)


@pytest.mark.parametrize("processes", [2, 3, 7])
def test_processes_evaluate_each_image_once(path: str, processes: int) -> None:
    images, whole = stream(path), torch.cat([inputs for inputs, _ in stream(path).batches(6)])
    batches = [b for rank in range(processes) for b in images.batches(6, BatchShard(None, rank, processes))]
    found = {image.numpy().tobytes() for inputs, _ in batches for image in inputs}
    assert sum(len(labels) for _, labels in batches) == 20
    assert found == {image.numpy().tobytes() for image in whole}


def test_split_keeps_ids_labels_and_images_together(path: str) -> None:
    train, held = hold_out(stream(path), 0.25, 1)
    assert sorted(train.ids + held.ids) == sorted(stream(path).ids)
    for part in (train, held):
        assert part.labels.tolist() == [int(name.removeprefix("train-")) % 5 for name in part.ids]
        first, _ = next(part.batches(1))
        position = int(part.ids[0].removeprefix("train-"))
        assert torch.equal(first[0], transforms.evaluation(SMALL, CENTER)(part.table.image(position)))


def test_workers_change_nothing(path: str) -> None:
    for here, there in zip(epoch(stream(path)), epoch(stream(path, workers=2)), strict=True):
        assert torch.equal(here[0][0], there[0][0])
        assert torch.equal(here[0][1], there[0][1])


def test_parts_are_the_steps_of_one_process(path: str) -> None:
    whole = epoch(stream(path))
    parts = [epoch(stream(path), BatchShard(1, rank, 2)) for rank in (0, 1)]
    assert [len(step) for step in parts[0]] == [3, 3, 3]
    for index, step in enumerate(whole):
        joined = [part for shard in parts for part in shard[index]]
        assert torch.equal(torch.cat([inputs for inputs, _ in joined]), step[0][0])
        assert torch.equal(torch.cat([labels for _, labels in joined]), step[0][1])


def test_epochs_differ_and_repeat(path: str) -> None:
    first = epoch(stream(path))[0][0][0]
    assert torch.equal(first, epoch(stream(path))[0][0][0])
    assert not torch.equal(first, epoch(stream(path), seed=8)[0][0][0])


def test_global_generators_stay_as_they_are(path: str) -> None:
    def draws() -> tuple:
        return random.random(), np.random.rand(), torch.rand(()).item()  # noqa: NPY002

    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    expected = draws()
    for restore, state in zip(
        (random.setstate, np.random.set_state, torch.set_rng_state), states, strict=True
    ):
        restore(state)
    epoch(stream(path))
    assert draws() == expected


@pytest.mark.parametrize("repeats", [1, 2, 3])
def test_epoch_order(repeats: int) -> None:
    training = Training(batch_size=8, repeats=repeats)
    images, draws = epoch_order(50, training, 0)
    assert images.shape == draws.shape == (6, 8)  # as many steps as without repeats
    counts = np.bincount(images.reshape(-1), minlength=50)
    assert len(np.unique(images)) == -(-48 // repeats)
    assert set(counts[counts > 0]) <= {repeats, 48 % repeats or repeats}
    assert len(np.unique(draws)) == 48  # each copy is augmented in its own way
    assert (images[:, ::2] != images[:, 1::2]).all()  # partners are different images
    assert not np.array_equal(images, epoch_order(50, training, 1)[0])


def test_copies_are_spread_over_processes() -> None:
    images, _ = epoch_order(48, Training(batch_size=24, repeats=3), 0)
    parts = [set(images[0][shard]) for rank in range(3) for shard in BatchShard(None, rank, 3).slices(24)]
    assert parts[0] == parts[1] == parts[2]
    assert len(parts[0]) == 8


def test_batch_that_is_too_large(path: str) -> None:
    with pytest.raises(ValueError, match="batch_size 64: there are only 20 training images"):
        next(stream(path).steps(Training(batch_size=64), BatchShard(), 0))
