"""The schedule of a reduced model can change; a change that is not possible leaves the model as it was."""

from __future__ import annotations

import copy
import re

import pytest
import torch
from torch import nn

import tokred
from tests.small_models import EACH_METHOD, REDUCING, by_method, images, small_vit
from tokred.methods.registry import METHODS
from tokred.models.vision_transformer import ReducedVisionTransformer
from tokred.schedules import Constant, Kept, Matched, Schedule, Stages

FIRST, OTHER = Stages("0.7", (3, 6)), Stages("0.6", (3, 6))
ELSEWHERE = Constant(4, blocks=(2, 4, 5))


def reduced(method: str, schedule: Schedule = FIRST) -> ReducedVisionTransformer:
    torch.manual_seed(2)
    return tokred.reduce(small_vit(), method, schedule=schedule)


def has_parameters(method: str) -> bool:
    return next(reduced(method).reducers.parameters(), None) is not None


PER_SLOT = [name for name in REDUCING if METHODS[name].load().parameters_per_slot]
PLAIN = [name for name in REDUCING if name not in PER_SLOT and not has_parameters(name)]
WITH_PARAMETERS = [name for name in REDUCING if name not in (*PER_SLOT, *PLAIN)]


def kept_by(model: ReducedVisionTransformer) -> list[tuple[int, int]]:
    """Block and number of tokens of each stage."""
    return [(reducer.stage.block, reducer.stage.budget) for reducer in model.reducers]


def test_there_are_methods_of_each_kind() -> None:
    assert {"sit", "patchmerger", "sinkhorn"} <= set(PER_SLOT)
    assert {"dynamicvit", "dpcknn"} <= set(WITH_PARAMETERS)
    assert {"topk", "tome", "ats", "l1", "kmedoids"} <= set(PLAIN)


@pytest.mark.slow
@pytest.mark.parametrize("method", by_method(PLAIN))
@pytest.mark.parametrize("training", [False, True])
@torch.no_grad()
def test_methods_without_parameters_change_freely(method: str, training: bool) -> None:
    model = reduced(method).double().train(training)
    for schedule in (ELSEWHERE, OTHER, Matched("0.7", "rising"), FIRST):
        model.schedule = schedule
        assert model.schedule == schedule
        expected = reduced(method, schedule).double().train(training)
        assert (model.locations, kept_by(model)) == (expected.locations, kept_by(expected))
        assert all(module.training == training for module in model.modules())
        assert torch.equal(model(images().double()), expected(images().double()))


@pytest.mark.parametrize("method", by_method(WITH_PARAMETERS))
@torch.no_grad()
def test_methods_with_parameters_keep_their_blocks(method: str) -> None:
    model = reduced(method)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.schedule = OTHER
    expected = reduced(method, OTHER)
    expected.load_state_dict(before)
    assert torch.equal(model(images()), expected(images()))
    assert set(model.state_dict()) == set(before)
    message = (
        f"method '{method}' has parameters in its stages, which act in blocks [3, 6] and cannot act in "
        "blocks [2, 4, 5]; reduce the ViT with it instead"
    )
    output = model(images())
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        model.schedule = ELSEWHERE
    assert model.schedule == OTHER
    assert torch.equal(model(images()), output)


@pytest.mark.parametrize("method", PER_SLOT)
@torch.no_grad()
def test_methods_with_parameters_per_token_cannot_change(method: str) -> None:
    model = reduced(method)
    output = model(images())
    message = (
        f"method '{method}' has parameters for each token that a stage leaves: stage 1 leaves 44 and cannot "
        "leave 38; reduce the ViT with it instead"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        model.schedule = OTHER
    with pytest.raises(ValueError, match=r"act in blocks \[3, 6\] and cannot act in blocks \[2, 4, 5\]"):
        model.schedule = ELSEWHERE
    assert model.schedule == FIRST
    assert torch.equal(model(images()), output)
    model.schedule = Kept((64,) * 3 + (44,) * 3 + (31,) * 6)  # the same numbers of tokens
    assert torch.equal(model(images()), output)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (Kept((64,) * 11), "expected 12 numbers, one per block, found 11"),
        (Kept((31,) * 12), "block 0 leaves 31 of 64 tokens, and method 'tome' must keep at least 32"),
        (Stages("0.4"), "cannot keep less than 0.5"),
        (Constant(3, blocks=(12,)), "location 12 of method 'tome': expected a block from 0 to 11"),
        (13, "schedule: expected one of tokred.schedules, found 13"),
    ],
)
@torch.no_grad()
def test_a_failed_change_changes_nothing(schedule: Schedule, message: str) -> None:
    model = reduced("tome", ELSEWHERE)
    output, reducers = model(images()), list(model.reducers)
    with pytest.raises(ValueError, match=re.escape(message)):
        model.schedule = schedule
    assert model.schedule == ELSEWHERE
    assert list(model.reducers) == reducers
    assert torch.equal(model(images()), output)


def test_a_change_checks_the_pooling() -> None:
    model = tokred.reduce(small_vit(global_pool="max"), "ats", schedule=Kept((64,) * 12))
    with pytest.raises(ValueError, match="global_pool 'max'"):
        model.schedule = FIRST
    assert len(model.reducers) == 0
    assert model(images()).shape == (4, 5)


@torch.no_grad()
def test_copies_have_their_own_schedule() -> None:
    model = reduced("tome")
    output, duplicate = model(images()), copy.deepcopy(model)
    duplicate.schedule = ELSEWHERE
    assert model.schedule == FIRST
    assert torch.equal(model(images()), output)
    assert torch.equal(duplicate(images()), reduced("tome", ELSEWHERE)(images()))


def test_stages_of_the_vit_do_not_change() -> None:
    """Models that share a ViT's parameters have their own schedules."""
    vit = small_vit()
    first, second = (tokred.reduce(vit, "tome", schedule=FIRST) for _ in range(2))
    second.schedule = ELSEWHERE
    assert (first.locations, second.locations) == ((3, 6), (2, 4, 5))
    with torch.no_grad():
        assert torch.equal(first(images()), reduced("tome")(images()))


@pytest.mark.parametrize("method", EACH_METHOD)
def test_names_of_parameters(method: str) -> None:
    """They are numbered by stage, not by block."""
    names = list(reduced(method).state_dict())
    assert names == list(reduced(method, Constant(20, blocks=(5, 7))).state_dict())
    backbone = [name for name in names if not name.startswith("reducers.")]
    assert backbone == list(small_vit().state_dict())
    assert {name.split(".")[1] for name in names if name not in backbone} <= {"0", "1"}


@torch.no_grad()
def test_another_image_size() -> None:
    """A schedule by numbers of tokens keeps them; stages that would remove nothing go."""
    model = reduced("tome", Constant(13))
    assert kept_by(model)[:3] == [(0, 51), (1, 38), (2, 25)]
    model.set_input_size((64, 64))
    assert kept_by(model)[:3] == [(0, 243), (1, 230), (2, 217)]
    vit = small_vit()
    vit.set_input_size((64, 64))
    expected = tokred.reduce(vit, "tome", schedule=Constant(13))
    assert torch.equal(model(images(2, (64, 64))), expected(images(2, (64, 64))))
    model = reduced("tome", Constant(13))
    model.set_input_size((8, 8))
    assert kept_by(model) == [(0, 2), (1, 1)]
    assert model(images(2, (8, 8))).shape == (2, 5)


@torch.no_grad()
def test_a_list_does_not_fit_another_image_size() -> None:
    model = reduced("tome", Kept((60,) * 12))
    output = model(images())
    with pytest.raises(ValueError, match="60 tokens after block 0 are more than the 16 that enter it"):
        model.set_input_size((16, 16))
    assert torch.equal(model(images()), output)
    model = reduced("dpcknn", Constant(13))
    with pytest.raises(ValueError, match=r"cannot act in blocks .*; reduce a ViT of the new size instead"):
        model.set_input_size((8, 8))


@torch.no_grad()
def test_pruned_layers_keep_their_schedule() -> None:
    """As timm's feature extraction prunes them."""
    model = reduced("tome", Constant(3))
    expected = model.forward_intermediates(images(), [4], intermediates_only=True, output_fmt="NLC")
    model.prune_intermediate_layers([4])
    model.schedule = Constant(4)
    assert kept_by(model) == [(block, 64 - 4 * (block + 1)) for block in range(5)]
    model.schedule = Constant(3)
    found = model.forward_intermediates(images(), [4], intermediates_only=True, output_fmt="NLC")
    assert torch.equal(found[0], expected[0])


@torch.no_grad()
def test_trace_after_other_blocks_than_those_of_the_stages() -> None:
    """The state after a block is that of the last stage in it or before it."""
    model = reduced("tome", ELSEWHERE)
    logits, every = model.trace(images())
    assert every.blocks == (2, 4, 5)
    assert every.cls.shape == (4, 4, 24)
    found_logits, found = model.trace(images(), blocks=(1, 3, 5, 9))
    assert torch.equal(found_logits, logits)
    assert found.blocks == (1, 3, 5, 9)
    assert found.cls.shape == (4, 5, 24)
    grid = torch.arange(64).expand(4, -1)
    assert torch.equal(found.stages[0].assign, grid)
    assert torch.equal(found.stages[0].anchor, grid)
    for index, stage in ((1, 0), (2, 2), (3, 2)):
        assert torch.equal(found.stages[index].assign, every.stages[stage].assign)
        assert torch.equal(found.stages[index].anchor, every.stages[stage].anchor)
    assert torch.equal(found.cls[:, 2], every.cls[:, 2])
    assert torch.equal(found.cls[:, -1], every.cls[:, -1])
    outputs = nn.ModuleDict({"after": model.blocks[9]})
    seen: list[torch.Tensor] = []
    outputs["after"].register_forward_hook(lambda module, inputs, output: seen.append(output[:, 0]))
    model.trace(images())
    torch.testing.assert_close(found.cls[:, 3], seen[0])
    for wrong in ([5, 3], [3, 3], [3, 12], [-1]):
        with pytest.raises(ValueError, match=r"blocks .*: expected increasing numbers from 0 to 11"):
            model.trace(images(), blocks=wrong)
