"""Peak memory of known work, batch sizes that do not fit, share of the reduction, training steps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import tokred
from tests.small_models import images, small_vit
from tokred.efficiency import batches, share
from tokred.efficiency.batches import doubling, is_out_of_memory, over_batch_sizes
from tokred.efficiency.conditions import Conditions
from tokred.efficiency.memory import peak_memory
from tokred.efficiency.passes import forward_pass, training_step
from tokred.efficiency.share import reduction_share

CPU = torch.device("cpu")


class Hungry(nn.Module):
    """A linear layer whose batches beyond a limit do not fit into memory."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.layer = most, nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > self.most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        return self.layer(x)


def test_peak_is_what_is_held_at_the_same_time() -> None:
    """A layer of 3 x 2 parameters, then two tensors of 4000 bytes, one after the other, beside one of 800."""
    layer = nn.Linear(2, 2)

    def work() -> None:
        kept = torch.zeros(200)
        torch.zeros(1000)
        torch.zeros(1000)
        assert kept.numel()

    assert peak_memory(work, layer, CPU) == 4 * 6 + 4800


@pytest.mark.slow
def test_peak_of_a_pass_is_the_same_every_time_and_grows_with_the_batch() -> None:
    model = tokred.reduce(small_vit(), "tome", 0.5).eval()
    four, again, eight = (peak_memory(forward_pass(model, images(count)), model, CPU) for count in (4, 4, 8))
    parameters = 4 * sum(parameter.numel() for parameter in model.parameters())
    assert four == again
    assert eight - parameters == pytest.approx(2 * (four - parameters), rel=0.05)


@pytest.mark.slow
def test_a_batch_that_does_not_fit_ends_a_models_series() -> None:
    models = {"large": Hungry(9), "small": Hungry(3)}
    found = list(over_batch_sizes(models, lambda size: torch.ones(size, 2), doubling(64), repeats=1))
    assert [(batch.size, sorted(batch.times), batch.out_of_memory) for batch in found] == [
        (1, ["large", "small"], ()),
        (2, ["large", "small"], ()),
        (4, ["large"], ("small",)),
        (8, ["large"], ("small",)),
        (16, [], ("small", "large")),
    ]


@pytest.mark.slow
def test_half_of_a_batch_that_does_not_fit_is_tried() -> None:
    models = {"large": Hungry(99), "small": Hungry(9)}
    found = list(over_batch_sizes(models, lambda size: torch.ones(size, 2), (64,), repeats=1))
    assert [(batch.size, sorted(batch.times), batch.out_of_memory) for batch in found] == [
        (64, ["large"], ("small",)),
        (32, ["large"], ("small",)),
        (16, ["large"], ("small",)),
        (8, ["large", "small"], ()),
    ]


def test_images_that_do_not_fit_end_the_series() -> None:
    def images_of(size: int) -> Tensor:
        if size > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return torch.ones(size, 2)

    found = list(over_batch_sizes({"a": Hungry(9)}, images_of, (1, 2, 4, 8), repeats=1))
    assert [(batch.size, batch.out_of_memory) for batch in found] == [(1, ()), (2, ()), (4, ("a",))]


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    def broken(x: Tensor) -> Tensor:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    model = Hungry(9)
    model.forward = broken
    with pytest.raises(RuntimeError, match="multiplied"):
        list(over_batch_sizes({"a": model}, lambda size: torch.ones(size, 2), (1,), repeats=1))
    assert is_out_of_memory(torch.cuda.OutOfMemoryError("CUDA out of memory"))
    assert not is_out_of_memory(MemoryError("out of memory"))


def test_images_per_second() -> None:
    batch = batches.Batch(8, {"a": batches.Times((1.0, 2.0, 9.0))})
    assert batch.images_per_second("a") == 4


def test_the_share_of_the_reduction_is_the_time_in_its_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock takes a second: of nine, four are in three stages and `begin`."""
    now = iter(range(1000))
    monkeypatch.setattr(share.time, "perf_counter", lambda: float(next(now)))
    model = tokred.reduce(small_vit(), "topk", 0.5).eval()
    assert reduction_share(model, images(1), repeats=3).median == pytest.approx(4 / 9)
    assert not any(reducer._forward_hooks or reducer._forward_pre_hooks for reducer in model.reducers)
    assert "begin" not in vars(model.reducers[0])
    assert reduction_share(small_vit(), images(1), repeats=1).median == 0


def test_a_training_step_changes_all_weights_a_little() -> None:
    model = tokred.reduce(small_vit(), "dynamicvit", 0.5).train()
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    training_step(model, images(4))()
    changed = {name: (value - before[name]).abs().max().item() for name, value in model.named_parameters()}
    assert all(0 < change < 1e-5 for name, change in changed.items() if "reducers" in name)
    assert 0 < changed["head.weight"] < 1e-5


def test_conditions_describe_images_and_software() -> None:
    pictures = torch.zeros(2, 3, 32, 48)
    found = Conditions.of(pictures, "bfloat16", compiled=True)
    assert (found.image, found.precision, found.compiled) == ("3 x 32 x 48", "bfloat16", True)
    assert (found.torch, found.tokred) == (torch.__version__, tokred.__version__)
    assert (found.device, found.threads) == (found.processor, torch.get_num_threads())
    assert not found.channels_last
    assert Conditions.of(pictures.contiguous(memory_format=torch.channels_last)).channels_last
