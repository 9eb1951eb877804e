"""Training on streamed images: resumable, the same in parts and in other precisions, clear where it fails."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.small_models import by_method
from tests.training.pictures import AUGMENTED, table, trainer
from tests.training.tiny import cut_off_after
from tokred.methods.registry import METHODS
from tokred.models.vision_transformer import ReducedVisionTransformer
from tokred.runtime.device import autocast
from tokred.settings import Hardware
from tokred.training.loop import Trainer

# Python 3.12 warns of any fork in a process with threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
CPU = {"device": "cpu"}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return table(tmp_path_factory.mktemp("data") / "train.parquet", 24)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> str:
    return table(tmp_path_factory.mktemp("data") / "train.parquet", 24, task="multi")


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return set(first) == set(second) and all(torch.equal(first[name], second[name]) for name in first)


def close(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.allclose(first[name], second[name], atol=2e-5) for name in first)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_interrupted_training_ends_with_the_same_weights(
    workers: int, precision: str, path: str, tmp_path: Path
) -> None:
    settings = {**AUGMENTED, "drop_path": 0.2, "epochs": 3, "precision": precision, "selection": "holdout"}
    expected = trainer(path, **settings).fit(tmp_path / "whole", "same")
    hardware = Hardware(workers=workers, **CPU)
    with cut_off_after(2):
        trainer(path, hardware=hardware, **settings).fit(tmp_path / "cut", "same")
    resumed = trainer(path, hardware=hardware, **settings)
    assert equal(resumed.fit(tmp_path / "cut", "same"), expected)
    assert [row["epoch"] for row in resumed.history] == [1, 2, 3]


@pytest.mark.slow
@pytest.mark.parametrize("method", by_method(name for name in METHODS if name != "dynamicvit"))
def test_accumulated_gradients_are_the_whole_batch_s(method: str, path: str, tmp_path: Path) -> None:
    """DynamicViT draws its decisions anew for each micro-batch."""
    whole = trainer(path, method, **AUGMENTED)
    parts = trainer(path, method, Hardware(micro_batch_size=2, **CPU), **AUGMENTED)
    assert (len(whole.parts), len(parts.parts)) == (1, 4)
    assert close(parts.fit(tmp_path / "parts", "x"), whole.fit(tmp_path / "whole", "x"))
    for mine, theirs in zip(parts.history, whole.history, strict=True):
        assert mine["train_loss"] == pytest.approx(theirs["train_loss"], abs=1e-5)


def test_each_nominal_micro_batch_is_mixed_by_itself(path: str, tmp_path: Path) -> None:
    several, one = (trainer(path, mixup=0.8, mix_micro_batch=size) for size in (4, 8))
    assert not equal(several.fit(tmp_path / "several", "x"), one.fit(tmp_path / "one", "x"))


def test_the_asymmetric_loss_s_micro_batch_weighs_the_method_s_loss(several: str) -> None:
    """The gradient is `images * (gradient of the mean) + (gradient of DynamicViT's ratio loss)`."""
    totals, gradients = {}, {}
    for images in (None, 2, 256):
        learner = trainer(several, "dynamicvit", asl_micro_batch=images, clip_grad=None)
        torch.manual_seed(0)
        steps = learner.train_images.steps(learner.training, learner.shard, 0)
        stepper = learner.stepper
        totals[images] = stepper.step(next(steps), learner.parts, learner._inputs, None).tolist()
        gradients[images] = torch.cat([p.grad.flatten() for p in learner.model.parameters()])
    assert totals[256] == pytest.approx([256 * totals[None][0], totals[None][1]])
    assert totals[None][1] > 0
    task = gradients[2] - gradients[None]
    torch.testing.assert_close(gradients[256], gradients[None] + 255 * task, atol=1e-3, rtol=1e-3)
    ratio_loss = gradients[None] - task
    assert ratio_loss.norm() > 1e-3 * task.norm()


@pytest.mark.slow
def test_accumulation_with_several_labels_and_a_loss_of_the_method(several: str, tmp_path: Path) -> None:
    augmented = {"cutout": 0.5, "randaugment": "rand-m9-mstd0.5-inc1", "repeats": 3}
    settings = {**augmented, "selection": "holdout", "holdout": 0.5}
    whole = trainer(several, "topk", **settings)
    parts = trainer(several, "topk", Hardware(micro_batch_size=2, **CPU), **settings)
    assert close(parts.fit(tmp_path / "parts", "x"), whole.fit(tmp_path / "whole", "x"))
    assert whole.history[-1]["val_score"] == pytest.approx(parts.history[-1]["val_score"], abs=1e-3)
    dynamic = trainer(several, "dynamicvit", Hardware(micro_batch_size=2, **CPU), **settings)
    dynamic.fit(tmp_path / "dynamic", "x")
    assert dynamic.history[0]["extra_loss"] > 0


@pytest.mark.slow
def test_built_in_images_accumulate_too(tmp_path: Path) -> None:
    from tests.training.tiny import BACKBONE, SETTINGS
    from tokred.data.in_memory import Images
    from tokred.data.prepare import prepare
    from tokred.models.factory import build_model
    from tokred.run import Run
    from tokred.settings import Training

    prepare("digits", "digits", "train", {"num_train": 32}, str(tmp_path / "t"))
    images, run = Images.read(str(tmp_path / "t"), 30), Run("digits", "tiny", "topk", "0.50", 0)
    training = Training(**{**SETTINGS, "epochs": 2, "drop_path": 0.0, "selection": "last"})
    found = []
    for micro in (None, 4):
        model = build_model(run, BACKBONE, {}, (3, 6), 10)
        hardware = Hardware(micro_batch_size=micro, **CPU)
        learner = Trainer(model, run, BACKBONE, training, images, None, hardware)
        found.append(learner.fit(tmp_path / str(micro), "x"))
    assert close(*found)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_is_near_to_full(precision: str, path: str, tmp_path: Path) -> None:
    full, mixed = trainer(path), trainer(path, precision=precision)
    full.fit(tmp_path / "full", "x")
    assert {tensor.dtype for tensor in mixed.fit(tmp_path / "mixed", "x").values()} == {torch.float32}
    for mine, theirs in zip(mixed.history, full.history, strict=True):
        assert mine["train_loss"] != theirs["train_loss"]
        assert mine["train_loss"] == pytest.approx(theirs["train_loss"], abs=0.05)
    assert mixed.stepper.scaler.is_enabled() == (precision == "float16")


@pytest.mark.slow
@pytest.mark.parametrize("method", by_method(METHODS))
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:The .grad attribute:UserWarning")
def test_every_method_compiles(method: str, path: str, tmp_path: Path) -> None:
    """The traced network is the network; what the compiler makes of it is the compiler's matter."""
    torch._dynamo.reset()
    settings = {"epochs": 1, "batch_size": 24, "warmup_epochs": 0}
    plain = trainer(path, method, **settings)
    compiled = trainer(path, method, Hardware(compile="eager", **CPU), **settings)
    assert close(compiled.fit(tmp_path / "compiled", "x"), plain.fit(tmp_path / "plain", "x"))
    assert compiled.history[0]["extra_loss"] == pytest.approx(plain.history[0]["extra_loss"], abs=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0


def test_no_epochs_leave_the_weights_as_they_are(path: str, tmp_path: Path) -> None:
    untrained = trainer(path, "none", epochs=0)
    before = {name: tensor.clone() for name, tensor in untrained.model.state_dict().items()}
    assert equal(untrained.fit(tmp_path / "state", "x"), before)
    assert untrained.history == []
    assert not (tmp_path / "state").exists()


@pytest.mark.slow
def test_learns(path: str, tmp_path: Path) -> None:
    learner = trainer(path, "none", epochs=15, lr=0.003, ema_decay=None, selection="holdout", holdout=0.5)
    learner.fit(tmp_path / "state", "x")
    assert learner.history[-1]["train_loss"] < 0.5 * learner.history[0]["train_loss"]
    assert learner.best_score > 60


def test_memory_that_does_not_suffice(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(self: ReducedVisionTransformer, x: torch.Tensor) -> torch.Tensor:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB. GPU 0 has 2.")

    monkeypatch.setattr(ReducedVisionTransformer, "forward", forward)
    expected = r"pictures/small/topk/0.50/0: 4 images at a time do not fit .*\(CUDA out of memory\); set "
    with pytest.raises(ValueError, match=expected + "`hardware.micro_batch_size` to less than 4"):
        trainer(path, hardware=Hardware(micro_batch_size=4, **CPU)).fit(tmp_path / "state", "x")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu(path: str) -> None:
    with pytest.raises(ValueError, match=r"hardware.device 'cuda': torch finds no GPU.*possible here: 'cpu'"):
        trainer(path, hardware=Hardware(device="cuda"))


@pytest.mark.parametrize(
    ("hardware", "settings", "message"),
    [
        ({"micro_batch_size": 3}, {}, "micro_batch_size 3: expected a divisor of the 8 images"),
        ({"micro_batch_size": 1}, {"mixup": 0.8}, "expected an even number of images, found 1"),
        ({}, {"batch_size": 32}, "batch_size 32: there are only 24 training images"),
        ({}, {"randaugment": "rand-x9"}, "randaugment 'rand-x9': timm cannot read it"),
    ],
)
def test_settings_that_do_not_fit(
    hardware: dict[str, object], settings: dict[str, object], message: str, path: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        trainer(path, hardware=Hardware(**hardware, **CPU), **settings).fit(tmp_path / "state", "x")


def test_pairs_of_several_labels_are_not_mixed(several: str) -> None:
    with pytest.raises(ValueError, match="mixup and cutmix need a single-label data set; set both to 0"):
        trainer(several, mixup=0.8)


@pytest.mark.slow
@pytest.mark.parametrize("method", by_method(METHODS))
def test_every_method_learns_and_traces_in_half_precision(method: str, path: str, tmp_path: Path) -> None:
    learner = trainer(path, method, epochs=1, batch_size=24, warmup_epochs=0, precision="float16")
    learner.fit(tmp_path / "state", "x")
    images = next(learner.train_images.batches(6))[0]
    learner.model.eval()
    with torch.no_grad():
        expected, _ = learner.model.trace(images)
        with autocast(learner.device, "float16"):
            logits, _ = learner.model.trace(images)
    assert not torch.equal(logits.float(), expected)
    torch.testing.assert_close(logits.float(), expected, atol=0.1, rtol=0)
