"""Models on the same images in turn: their outputs, their order, and a lack of memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn

import tokred
from tests.small_models import images, small_vit
from tokred.efficiency.side_by_side import OutOfMemory, SideBySide
from tokred.schedules import Stages

CPU = torch.device("cpu")


def models(*rates: str) -> dict[str, nn.Module]:
    vit = small_vit()
    found = {"none": tokred.reduce(vit, "none").eval()}
    return found | {
        rate: tokred.reduce(vit, "topk", schedule=Stages(keep_rate=rate)).eval() for rate in rates
    }


@contextmanager
def limited(model: nn.Module, most: int) -> Iterator[list[int]]:
    """A model that runs out of memory with more images; yields how many it was called with."""
    called: list[int] = []

    def check(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        called.append(len(inputs[0]))
        if len(inputs[0]) > most:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    handle = model.register_forward_pre_hook(check)
    yield called
    handle.remove()


def test_outputs_are_those_of_each_model() -> None:
    found, pictures = models("0.50"), images(5)
    runs = SideBySide(found, CPU, batch_size=2, keep_features=True)
    runs.add(pictures)
    assert runs.num_images == 5
    features = {}
    for name, model in found.items():
        with torch.inference_mode():
            logits = model(pictures)
        assert torch.equal(runs.of(name, "classes"), logits.argmax(1))
        features[name] = runs.of(name, "features")
        torch.testing.assert_close(model.head(features[name]), logits, atol=1e-4, rtol=1e-4)
    cosine = torch.nn.functional.cosine_similarity(features["0.50"], features["none"])
    torch.testing.assert_close(runs.of("0.50", "cosine"), cosine)
    torch.testing.assert_close(runs.of("none", "cosine"), torch.ones(5))
    assert runs.of("none", "finite").all()


def test_the_order_moves_on() -> None:
    found, order = models("0.50", "0.70"), []
    for name, model in found.items():
        model.register_forward_pre_hook(lambda module, inputs, name=name: order.append(name))
    SideBySide(found, CPU, batch_size=1).add(images(3))
    assert order == ["none", "0.50", "0.70", "0.50", "0.70", "none", "0.70", "none", "0.50"]


def test_times_of_whole_batches() -> None:
    runs = SideBySide(models("0.50"), CPU, batch_size=2)
    runs.add(images(5))
    size, times = runs.times()
    assert size == 2
    assert {name: len(each.seconds) for name, each in times.items()} == {"none": 2, "0.50": 2}
    assert min(times["none"].seconds) > 0
    alone = SideBySide(models(), CPU, batch_size=64)
    alone.add(images(3))
    assert alone.times()[0] == 3  # there is no whole batch


def test_out_of_memory_halves_the_batch_and_goes_on() -> None:
    found, pictures, notices = models("0.50"), images(14), []
    passed: list[int] = []
    runs = SideBySide(found, CPU, batch_size=8, notice=notices.append)
    expected = SideBySide(models("0.50"), CPU, batch_size=14)
    expected.add(pictures)
    with limited(found["0.50"], 3) as called:
        runs.add(pictures, passed.append)
    assert notices == [
        "0.50: 8 images at a time do not fit into memory; going on with 4",
        "0.50: 4 images at a time do not fit into memory; going on with 2",
    ]
    # The first eight images once, two at a time; what the other model did with all eight is kept.
    assert called == [8, 4, 2, 2, 2, 2, 2, 2, 2]
    assert passed == [8, 8, 2, 2, 2, 2, 2, 2]
    for name in found:
        assert torch.equal(runs.of(name, "classes"), expected.of(name, "classes"))
    size, times = runs.times()
    assert (size, len(times["none"].seconds)) == (2, 3)  # of batches that nothing interrupted


def test_not_even_one_image_fits() -> None:
    found, notices = models("0.50"), []
    runs = SideBySide(found, CPU, batch_size=2, notice=notices.append)
    runs.add(images(2))
    with (
        limited(found["0.50"], 0),
        pytest.raises(OutOfMemory, match=r"0\.50: not even one image fits into the"),
    ):
        runs.add(images(2))
    assert runs.num_images == 2  # what was done before
    assert len(notices) == 1


def test_outputs_that_are_no_numbers() -> None:
    found, pictures = models("0.50"), images(3)
    pictures[1] = torch.inf
    runs = SideBySide(found, CPU)
    runs.add(pictures)
    assert runs.of("none", "finite").tolist() == [True, False, True]


def test_warming_up_is_not_counted() -> None:
    runs = SideBySide(models("0.50"), CPU)
    runs.warm_up(images(4))
    assert runs.num_images == 0


def test_released_models_keep_nothing() -> None:
    found, pictures = models("0.50"), images(2)
    runs = SideBySide(found, CPU, batch_size=2)
    runs.add(pictures)
    runs.release()
    for model in found.values():
        model(pictures)
    assert runs._features == {}
