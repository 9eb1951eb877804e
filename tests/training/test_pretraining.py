"""Pretraining: a killed one goes on with the same bits, guidance guides, and results say what they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from tokred.data.fresh_pictures import PictureBatch, pictures
from tokred.data.in_memory import normalize
from tokred.evaluation import digit_properties
from tokred.evaluation.digit_properties import measure_on_digits
from tokred.evaluation.properties import measure
from tokred.models.factory import build_vit
from tokred.models.weights import load_weights
from tokred.run import Run
from tokred.settings import Backbone, Hardware
from tokred.settings.jobs import PretrainJob
from tokred.settings.pretraining import Recipe
from tokred.tables import schemas
from tokred.training import pretraining
from tokred.training.diverged import Diverged
from tokred.training.pretraining import Pretrainer, learning_rate, pretrain

BACKBONE = Backbone(
    model="vit_tiny_patch16_224",
    image_size=30,
    patch_size=6,
    depth=3,
    kwargs={"embed_dim": 24, "num_heads": 3, "weight_init": "jax"},
)
RUN = Run("pretraining", "tiny", "none", "1.00", 0)
RECIPE = {"steps": 7, "batch_size": 4, "warmup_steps": 2, "guided_from": 1, "test_images": 20}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretraining, "INTERVAL", 3)
    monkeypatch.setattr(pretraining, "NORMALIZED_ON", 32)
    monkeypatch.setattr(digit_properties, "BLOCK_IMAGES", 10)
    pictures("train", 0, 1, (5, 5))  # workers are forked, and find scans and photographs loaded


def trainer(**changes: object) -> Pretrainer:
    torch.manual_seed(0)
    recipe = Recipe(**{**RECIPE, **changes})
    return Pretrainer(build_vit(BACKBONE, 10), BACKBONE, recipe, Hardware(device="cpu"), "tiny")


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.mark.slow
def test_a_killed_pretraining_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trainer()
    whole.fit(tmp_path / "whole", "s")
    update = Pretrainer._update

    def dying(self: Pretrainer, *losses: torch.Tensor) -> torch.Tensor:
        if self.step == 5:
            raise Killed
        return update(self, *losses)

    with monkeypatch.context() as patch:
        patch.setattr(Pretrainer, "_update", dying)
        with pytest.raises(Killed):
            trainer().fit(tmp_path / "state", "s")
    resumed = trainer()
    with torch.no_grad():
        resumed.token_head.weight.add_(1)  # all comes from the state
    resumed.fit(tmp_path / "state", "s")
    for name in ("vit", "token_head"):
        found, expected = getattr(resumed, name).state_dict(), getattr(whole, name).state_dict()
        assert all(torch.equal(found[key], expected[key]) for key in expected)
    without = [[{**row, "seconds": 0} for row in t.history] for t in (whole, resumed)]
    assert json.dumps(without[0], sort_keys=True) == json.dumps(without[1], sort_keys=True)
    assert [row["epoch"] for row in whole.history] == [1, 2, 3]


@pytest.mark.slow
@pytest.mark.parametrize("state", ["of other settings", "damaged"])
def test_a_state_that_cannot_be_used(state: str, tmp_path: Path) -> None:
    trainer(lr=0.1).fit(tmp_path / "state", "other")
    if state == "damaged":
        (tmp_path / "state").write_bytes(b"nothing")
    second, fresh = trainer(), trainer()
    second.fit(tmp_path / "state", "s")
    fresh.fit(tmp_path / "fresh", "s")
    assert torch.equal(second.vit.head.weight, fresh.vit.head.weight)
    assert (tmp_path / "state.damaged").exists() == (state == "damaged")


def test_learning_rate() -> None:
    recipe = Recipe(steps=100, warmup_steps=10, lr=0.5)
    assert learning_rate(recipe, 0) == 0
    assert learning_rate(recipe, 5) == pytest.approx(0.25 * (0.01 + 0.99 * (1 + np.cos(0.05 * np.pi)) / 2))
    assert learning_rate(recipe, 50) == pytest.approx(0.5 * 0.505)
    assert learning_rate(recipe, 100) == pytest.approx(0.005)
    assert learning_rate(Recipe(warmup_steps=0, lr=0.5), 0) == 0.5


def test_rates_of_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretraining, "INTERVAL", 1)
    found = trainer()
    found.fit(tmp_path / "state", "s")
    assert [row["lr"] for row in found.history] == [learning_rate(found.recipe, step) for step in range(7)]


def test_a_log_file_has_no_progress_bar(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trainer().fit(tmp_path / "state", "s")
    assert capsys.readouterr().err == ""


def test_batches_are_fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Step i sees pictures 4 i to 4 i + 3 of the training split."""
    seen: list[torch.Tensor] = []
    losses = Pretrainer._losses

    def looking(self: Pretrainer, batch: PictureBatch, blocks: Mapping[int, object]) -> object:
        seen.append(batch.pixels.clone())
        return losses(self, batch, blocks)

    monkeypatch.setattr(Pretrainer, "_losses", looking)
    trainer().fit(tmp_path / "state", "s")
    assert torch.equal(torch.cat(seen), pictures("train", 0, 28, (5, 5)).pixels)


@pytest.mark.slow
@pytest.mark.parametrize("guidance", [0.0, 1.0])
def test_guidance_makes_the_cls_token_look_at_the_digit(guidance: float, tmp_path: Path) -> None:
    """Within a few steps, and from the block on that the recipe names."""
    changes = {"steps": 60, "batch_size": 32, "lr": 0.01, "token_labels": 1.0}
    guided = trainer(**changes, attention_guidance=guidance)
    guided.fit(tmp_path / "state", "s")
    batch = pictures("test", 0, 100, (5, 5))
    inputs = normalize(batch.pixels, BACKBONE)
    found = measure(guided.vit.eval(), [(inputs, batch.objects)], range(3))
    assert (found[1].attention_auc > 0.75) == (guidance > 0)
    assert (found[2].attention_auc > 0.75) == (guidance > 0)


def test_losses_of_single_parts() -> None:
    """The extra loss is the weighted sum of both, and the weights of the recipe switch them off."""
    batch = pictures("train", 0, 4, (5, 5))

    def extra(**weights: float) -> torch.Tensor:
        found = trainer(**weights)
        torch.nn.init.normal_(found.vit.cls_token, generator=torch.Generator().manual_seed(1))
        with pretraining.observed(found.vit, (1, 2)) as seen:
            return found._losses(batch, seen)[1].detach()

    labels = extra(token_labels=1.0, attention_guidance=0.0)
    guidance = extra(token_labels=0.0, attention_guidance=1.0)
    both = extra(token_labels=0.5, attention_guidance=2.0)
    assert float(extra(token_labels=0.0, attention_guidance=0.0)) == 0
    assert min(float(labels), float(guidance)) > 0.1
    torch.testing.assert_close(both, 0.5 * labels + 2.0 * guidance)


def test_diverged(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match="tiny: loss is not finite before step 3; lower the `lr`"):
        trainer(lr=1e30, warmup_steps=0).fit(tmp_path / "state", "s")


def job(backbone: Backbone, checkpoint: str, history: str, properties: str, **recipe: object) -> PretrainJob:
    return PretrainJob(
        run=asdict(RUN),
        model={"backbone": backbone.model_dump(mode="json"), "locations": [1]},
        recipe={**RECIPE, **recipe},
        code={"pretrain": "c0"},
        weights=checkpoint,
        history=history,
        properties=properties,
        hardware={"device": "cpu"},
    )


@pytest.mark.slow
def test_job(tmp_path: Path) -> None:
    """Weights in half precision of the normalized network, its properties, its history; no state stays."""
    files = {name: str(tmp_path / name) for name in ("w.safetensors", "h.parquet", "p.json")}
    backbone = BACKBONE.model_copy(update={"depth": 12})
    pretrain(job(backbone, *files.values(), steps=4))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)
    vit = build_vit(backbone, 10).eval()
    facts = load_weights(vit, files["w.safetensors"])
    assert (facts["code"], facts["recipe"]["steps"]) == ({"pretrain": "c0"}, 4)
    properties = json.loads((tmp_path / "p.json").read_text())
    assert facts["properties"] == properties == measure_on_digits(vit, backbone, 20)
    assert list(properties["blocks"]) == ["0", "3", "6", "9"]
    assert schemas.read(tmp_path / "h.parquet", schemas.HISTORY)["epoch"].tolist() == [1, 2]
    # What the network is normalized to, on the pictures on which it was measured.
    batch = pictures("train", 0, 32, (5, 5))
    found = measure(vit, [(normalize(batch.pixels, backbone), batch.objects)], range(12))
    assert np.mean([found[i].squared_distance for i in (3, 6, 9)]) == pytest.approx(0.05, rel=0.01)
    assert [block.key_offset for block in found.values()] == pytest.approx([1.6] * 12, rel=0.01)


def test_pictures_have_one_size(tmp_path: Path) -> None:
    backbone = BACKBONE.model_copy(update={"image_size": 32, "patch_size": 4})
    with pytest.raises(ValueError, match="pretraining of tiny: found image_size 32, expected 30"):
        pretrain(job(backbone, *(str(tmp_path / name) for name in "whp")))
