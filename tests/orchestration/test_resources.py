"""Resource estimates: in proportion to a job's work, more with each attempt, up to a maximum."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from tests.study.studies import study
from tokred.models.factory import build_vit
from tokred.orchestration import resources
from tokred.schedules.macs import Shape
from tokred.settings import Backbone, Hardware

SMALL = Backbone(model="vit_small_patch16_224", image_size=224, patch_size=16)
JOB = resources.ResourceEstimate(
    images=100_000, epochs=2, batch_size=128, backbone=SMALL, streamed=True, hardware=Hardware(), gpus=1
)


NAMES = [f"vit_{size}_patch16_224" for size in ("tiny", "small", "base", "large")] + ["vit_giant_patch14_224"]


@pytest.mark.parametrize("name", NAMES)
def test_sizes_are_those_of_the_network(name: str) -> None:
    patch = 14 if "giant" in name else 16
    backbone = Backbone(model=name, image_size=224, patch_size=patch, depth=1)
    with torch.device("meta"):
        network = build_vit(backbone, num_classes=0)
    found = backbone.shape
    assert replace(found, mlp_dim=0) == replace(Shape.of(network), mlp_dim=0)
    if "giant" not in name:  # whose MLP is somewhat wider than four times
        assert found == Shape.of(network)


def test_sizes_are_the_configurations_where_it_gives_them() -> None:
    backbones = study().settings.backbones
    assert [backbones[name].shape.embed_dim for name in ("vit_nano", "vit_micro")] == [48, 72]
    other = SMALL.model_copy(update={"model": "eva_something", "kwargs": {"mlp_ratio": 3}})
    found = other.shape
    assert (found.embed_dim, found.mlp_dim) == (768, 3 * 768)


def test_planning_a_study_imports_no_torch() -> None:
    code = "import sys, tokred.orchestration.resources; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_time_follows_work_and_hardware() -> None:
    def more(**changes: object) -> int:
        """Minutes beyond those of a job without images."""
        return replace(JOB, **changes).minutes(1) - replace(JOB, images=0).minutes(1)

    one = more()
    assert 10 < one < 120  # to read 200,000 images in one process
    assert more(epochs=4) == pytest.approx(2 * one, abs=1)
    assert more(images=50_000) == pytest.approx(one / 2, abs=1)
    assert more(hardware=Hardware(workers=2)) == pytest.approx(one / 2, abs=1)
    eight = Hardware(workers=8)  # more than the network can pass
    assert one / 8 < more(hardware=eight) < one / 2
    base = SMALL.model_copy(update={"model": "vit_base_patch16_224"})
    assert more(hardware=eight, backbone=base) > more(hardware=eight)
    assert more(gpus=0) > 10 * one
    assert more(hardware=Hardware(nodes=2)) == pytest.approx(one / 2, abs=1)


def test_attempts_get_more_up_to_a_day() -> None:
    assert [JOB.minutes(n) for n in (1, 2, 3)] == [JOB.minutes(1) * n for n in (1, 2, 3)]
    assert [JOB.memory(n) for n in (1, 2, 3)] == [JOB.memory(1) * n for n in (1, 2, 3)]
    assert replace(JOB, epochs=10_000).minutes(1) == resources.MAX_MINUTES
    assert resources.ReadingEstimate(1e6).minutes(1) == resources.MAX_MINUTES
    assert resources.ReadingEstimate(10).memory(2) == 2 * resources.ReadingEstimate(10).memory(1)
    assert (
        resources.ReadingEstimate(1000).memory(1) - resources.ReadingEstimate(0).memory(1) > 1000
    )  # tables are compressed


def test_memory_follows_images_processes_and_batches() -> None:
    four, eight = (replace(JOB, hardware=Hardware(workers=n)).memory(1) for n in (4, 8))
    assert eight - four == four - JOB.memory(1) > 0
    assert replace(JOB, hardware=Hardware(processes=2), gpus=2).memory(1) == 2 * JOB.memory(1)
    held = replace(JOB, streamed=False).memory(1) - JOB.memory(1)
    assert held > 3 * 100_000 * 224**2 / 1e6  # at least as bytes
    twice = replace(JOB, streamed=False, images=200_000).memory(1) - JOB.memory(1)
    assert twice == pytest.approx(2 * held, abs=1)
    small_steps = Hardware(micro_batch_size=8)
    on_cores = replace(JOB, gpus=0)
    assert replace(on_cores, hardware=small_steps).memory(1) < on_cores.memory(1)
    assert replace(on_cores, hardware=Hardware(nodes=2)).memory(1) < on_cores.memory(1)  # of each node


def test_tables_that_do_not_exist_have_an_assumed_size(tmp_path: Path) -> None:
    table = tmp_path / "train.parquet"
    assert resources.rows(str(table)) is None
    table.write_text("no table")
    assert resources.rows(str(table)) is None
    assert replace(JOB, images=None).minutes(1) == replace(JOB, images=resources.ASSUMED_IMAGES).minutes(1)
    pd.DataFrame({"x": range(7)}).to_parquet(table)
    assert resources.rows(str(table)) == 7
    assert resources.megabytes([str(table), str(tmp_path / "none")]) == table.stat().st_size / 1e6
