"""Learning rates at chosen steps, and which parameter learns how."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
import torch

import tokred
from tests.training.vits import tiny_vit
from tokred.settings import Training
from tokred.training.optimizer import Schedule, make_optimizer, parameter_groups, with_new_classifier

PER_EPOCH = 10
#: peak 0.2 * 64 / 128 = 0.1
TRAINING = Training(
    epochs=8,
    batch_size=64,
    lr=0.2,
    lr_normalizer=128,
    min_lr=0.02,
    warmup_lr=0.01,
    warmup_epochs=2,
    backbone_lr_scale=0.25,
    backbone_freeze_epochs=3,
    weight_decay=0.3,
)


def reduced(**kwargs: object) -> tokred.models.vision_transformer.ReducedVisionTransformer:
    return tokred.reduce(tiny_vit(**kwargs), "dpcknn", keep_rate=0.5, locations=(1, 2))


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 0.01),  # start of the warm-up
        (10, 0.055),  # half of it
        (19, 0.01 + 0.09 * 0.95),
        (20, 0.02 + 0.04 * (1 + 0.5**0.5)),  # the cosine counts from step 0: a quarter of the way
        (40, 0.06),  # half of the way
        (60, 0.02 + 0.04 * (1 - 0.5**0.5)),
        (80, 0.02),  # the end
    ],
)
def test_learning_rate(step: int, expected: float) -> None:
    assert Schedule(TRAINING, PER_EPOCH).learning_rate(step) == pytest.approx(expected, rel=1e-12)


def test_peak_without_warm_up() -> None:
    schedule = Schedule(TRAINING.model_copy(update={"warmup_epochs": 0}), PER_EPOCH)
    rates = [schedule.learning_rate(step) for step in range(80)]
    assert rates[0] == pytest.approx(0.1)
    assert rates == sorted(rates, reverse=True)


def test_part_of_an_epoch_warms_up() -> None:
    schedule = Schedule(TRAINING.model_copy(update={"warmup_epochs": 0.5}), PER_EPOCH)
    rates = [schedule.learning_rate(step) for step in range(80)]
    assert rates.index(max(rates)) == 5
    assert rates[1] == pytest.approx(0.01 + 0.09 / 5)


def test_freeze_and_scale() -> None:
    optimizer = make_optimizer(reduced(), TRAINING)
    schedule = Schedule(TRAINING, PER_EPOCH)
    # The backbone's peak is 0.025, so that its rate at the end is the floor, and not a quarter of it.
    expected = {0: 0.0, 29: 0.0, 30: 0.02 + 0.0025 * (1 + math.cos(math.pi * 3 / 8)), 80: 0.02}
    for step, backbone in expected.items():
        rate = schedule.apply(optimizer, step)
        assert rate == schedule.learning_rate(step)
        rates = {group["role"]: group["lr"] for group in optimizer.param_groups}
        assert rates == {"new": rate, "backbone": pytest.approx(backbone, rel=1e-12)}


def test_published_rates() -> None:
    """Rates of both groups at 608 steps of six published settings, from the published code's scheduler."""
    rows = pd.read_csv(Path(__file__).parents[1] / "golden/schedule.csv")
    assert len(rows) == 608
    for _, case in rows.groupby("case"):
        first = case.iloc[0]
        fields = set(Training.model_fields) & set(case.columns)
        training = Training(**{name: float(first[name]) for name in fields})
        optimizer, schedule = (
            make_optimizer(reduced(), training),
            Schedule(training, first["steps_per_epoch"]),
        )
        for row in case.itertuples():
            schedule.apply(optimizer, row.step)
            expected = {"new": row.lr_new, "backbone": row.lr_backbone}
            for group in optimizer.param_groups:
                assert group["lr"] == pytest.approx(expected[group["role"]], rel=0, abs=1e-9)


def test_a_scale_of_zero_would_not_freeze_the_backbone() -> None:
    """Its rate would rise to the floor: `backbone_freeze_epochs` is what leaves a backbone as it is."""
    with pytest.raises(ValueError, match="backbone_lr_scale"):
        Training(backbone_lr_scale=0)


def test_frozen_parameters_do_not_move() -> None:
    model = reduced()
    optimizer = make_optimizer(model, TRAINING)
    Schedule(TRAINING, PER_EPOCH).apply(optimizer, 5)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    model(torch.randn(2, 3, 16, 16)).square().sum().backward()
    optimizer.step()
    moved = {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    assert {"head.weight", "pos_embed", "patch_embed.proj.weight"} <= moved
    assert any(name.startswith("reducers.") for name in moved)
    assert not [name for name in moved if name.startswith(("blocks.", "norm.", "cls_token"))]


def test_groups_partition_the_parameters() -> None:
    model = reduced(reg_tokens=2)
    groups = parameter_groups(model, TRAINING)
    members = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(members) == sorted(id(parameter) for parameter in model.parameters())
    assert len(groups) == 4
    of = {id(parameter): group for group in groups for parameter in group["params"]}
    found = {
        name: (of[id(p)]["role"], of[id(p)]["weight_decay"], of[id(p)]["scale"])
        for name, p in model.named_parameters()
    }
    new, slow = {"role": "new", "scale": 1.0}, {"role": "backbone", "scale": 0.25}
    expected = {
        "head.weight": (new, 0.3),
        "head.bias": (new, 0.0),
        "pos_embed": (new, 0.0),
        "patch_embed.proj.weight": (new, 0.3),
        "patch_embed.proj.bias": (new, 0.0),
        "reducers.0.score.weight": (new, 0.3),
        "reducers.1.score.bias": (new, 0.0),
        "cls_token": (slow, 0.0),
        "reg_token": (slow, 0.0),
        "blocks.0.attn.qkv.weight": (slow, 0.3),
        "blocks.3.mlp.fc2.bias": (slow, 0.0),
        "blocks.2.norm1.weight": (slow, 0.0),
        "norm.weight": (slow, 0.0),
    }
    for name, (kind, decay) in expected.items():
        assert found[name] == (kind["role"], decay, kind["scale"]), name
    for name, parameter in model.named_parameters():
        decays = parameter.ndim > 1 and name not in ("pos_embed", "cls_token", "reg_token")
        assert found[name][1] == (0.3 if decays else 0.0), name
        is_new = name.split(".")[0] in ("head", "pos_embed", "patch_embed", "reducers")
        assert found[name][0] == ("new" if is_new else "backbone"), name


def roles(training: Training) -> dict[str, str]:
    """Role of each parameter."""
    model = reduced()
    groups = parameter_groups(model, training)
    of = {id(parameter): group["role"] for group in groups for parameter in group["params"]}
    return {name: of[id(parameter)] for name, parameter in model.named_parameters()}


def test_everything_pretrained_can_be_slowed_down() -> None:
    training = TRAINING.model_copy(update={"full_lr": []})
    found = roles(training)
    assert {name for name, role in found.items() if role == "new"} == {
        name for name in found if name.startswith("reducers.")
    }
    new = {name for name, role in roles(with_new_classifier(training)).items() if role == "new"}
    assert new == {name for name in found if name.startswith(("reducers.", "head."))}
    assert with_new_classifier(TRAINING).full_lr == sorted(TRAINING.full_lr)
