"""Mixup and CutMix do what timm's do, however a batch is parted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from timm.data.mixup import Mixup
from timm.loss import SoftTargetCrossEntropy

from tokred.settings import Training
from tokred.training.losses import task_loss
from tokred.training.mixing import Mix, StepMix

BOTH = Training(mixup=0.8, cutmix=1.0, label_smoothing=0.1)


def batch(count: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 3, 12, 12, generator=generator), torch.arange(count) % 5


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.93])
def test_as_timm_mixes_two_images(cut: bool, share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two images are the batch of which timm's reversed order is the exchange of partners."""
    images, labels = batch(2)
    theirs = Mixup(mixup_alpha=0.8, cutmix_alpha=1.0, label_smoothing=0.1, num_classes=5)
    monkeypatch.setattr(theirs, "_params_per_batch", lambda: (share, cut))
    monkeypatch.setattr(np.random, "randint", lambda low, high, size=None: 4)
    expected, targets = theirs(images.clone(), labels)
    mix = Mix(share, cut, (4 / 12 + 0.01, 4 / 12 + 0.01))
    found, mine = mix.apply(images, labels, 5)
    torch.testing.assert_close(found, expected)
    # Smoothing is the loss's matter here, and part of the targets there.
    logits = torch.randn(2, 5, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        task_loss("single", BOTH)(logits, mine), SoftTargetCrossEntropy()(logits, targets)
    )


def test_parts_are_mixed_like_the_whole() -> None:
    images, labels = batch()
    for seed in range(6):
        mix = Mix.draw(BOTH, np.random.default_rng(seed))
        whole = mix.apply(images, labels, 5)
        parts = [mix.apply(images[i : i + 2], labels[i : i + 2], 5) for i in range(0, 8, 2)]
        for index in (0, 1):
            assert torch.equal(torch.cat([part[index] for part in parts]), whole[index])
        assert not torch.equal(whole[0], images)
        torch.testing.assert_close(whole[1].sum(dim=1), torch.ones(8))


def test_one_draw_for_each_nominal_micro_batch() -> None:
    """Four draws in a step of 1,024 images, as with two processes that each take two micro-batches of 256."""
    labels = torch.arange(1024) % 2  # the partner is always of the other class
    images = labels.float().view(-1, 1, 1, 1).expand(-1, 3, 4, 4)
    step = StepMix.draw(Training(mixup=0.8), 1024, np.random.default_rng(0))
    mixed, targets = step.apply(images, labels, 2)
    own = targets[torch.arange(1024), labels].view(4, 256)
    assert (own == own[:, :1]).all()
    assert len(set(own[:, 0].tolist())) == 4
    torch.testing.assert_close(mixed[:, 0, 0, 0], targets[:, 1])


@pytest.mark.parametrize("hardware", [2, 4, 6, 12])
def test_draws_do_not_depend_on_the_hardware_s_micro_batches(hardware: int) -> None:
    """Nominal micro-batches of 4, 4, and the last 4 images, in parts that they fit or do not fit."""
    images, labels = batch(12)
    step = StepMix.draw(BOTH.model_copy(update={"mix_micro_batch": 4}), 12, np.random.default_rng(3))
    nominal = [slice(start, start + 4) for start in (0, 4, 8)]
    expected = [mix.apply(images[i], labels[i], 5) for mix, i in zip(step.mixes, nominal, strict=True)]
    places = [slice(start, start + hardware) for start in range(0, 12, hardware)]
    found = [step.apply(images[i], labels[i], 5, i.start) for i in places]
    for index in (0, 1):
        assert torch.equal(torch.cat([p[index] for p in found]), torch.cat([p[index] for p in expected]))


def test_nominal_micro_batches_are_of_pairs() -> None:
    with pytest.raises(ValueError, match="mix_micro_batch"):
        Training(mix_micro_batch=255)
    assert [len(StepMix.draw(BOTH, size, np.random.default_rng(0)).mixes) for size in (8, 256, 258)] == [
        1,
        1,
        2,
    ]


def test_draws_follow_the_settings() -> None:
    rng = np.random.default_rng(0)
    mixes = [Mix.draw(BOTH, rng) for _ in range(400)]
    assert 0.4 < np.mean([mix.cut for mix in mixes]) < 0.6
    assert abs(np.mean([mix.lam for mix in mixes]) - 0.5) < 0.05
    assert all(mix.cut for mix in (Mix.draw(Training(cutmix=1.0), rng) for _ in range(20)))
    assert not any(mix.cut for mix in (Mix.draw(Training(mixup=0.8), rng) for _ in range(20)))
