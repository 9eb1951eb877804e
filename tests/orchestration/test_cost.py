"""Estimated cost of a study: multiply-accumulates as torch counts them, bytes as they are stored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
import yaml

from tests.workflow.conftest import ROOT
from tokred.efficiency.counting import counted
from tokred.efficiency.macs import Network, block_tokens
from tokred.models.factory import build_vit
from tokred.models.reduce import reduce
from tokred.orchestration.cost import cost_table, pattern_bytes, run_costs
from tokred.schedules import Stages
from tokred.schedules.macs import BlockTokens, Shape, forward_macs
from tokred.settings import Backbone, parse
from tokred.study.study import Study
from tokred.tables import batch_writer
from tokred.tables.patterns import pattern_schema

TINY = Backbone(
    model="deit_tiny_patch16_224", image_size=64, patch_size=16, kwargs={"embed_dim": 48, "num_heads": 3}
)


def study(**changes: object) -> Study:
    values = yaml.safe_load((ROOT / "config.yaml").read_text())
    return parse(Study, {**values, **changes}, "test")


@pytest.mark.parametrize(("method", "rate"), [("l2", "0.50"), ("topk", "0.70"), ("topk", "0.50")])
def test_macs_of_reduced_models_are_about_those_that_torch_counts(method: str, rate: str) -> None:
    model = reduce(build_vit(TINY, 7), method, float(rate), (3, 6, 9))
    images = torch.zeros(1, 3, 64, 64)
    expected = counted(lambda: model.forward_head(model.forward_features(images)))
    shape = Network.of(TINY, 7).shape
    found = forward_macs(shape, block_tokens(shape, method, Stages(rate))).total
    # Top-K computes one row of attention more a stage, and its output for fewer queries; fixed patterns
    # keep the number of tokens nearest to the budget that is symmetric.
    assert found == pytest.approx(expected, rel={"topk": 0.03, "l2": 0.06}[method])


def test_published_macs_of_reduced_deit_small() -> None:
    """In billions, for Top-K at each keep rate."""
    shape = Shape(196, 1, 768, 384, 1536, 12, 1000)
    found = {
        rate: forward_macs(shape, block_tokens(shape, "topk", Stages(rate))).total / 1e9
        for rate in ("0.90", "0.70", "0.50", "0.25")
    }
    assert found == pytest.approx({"0.90": 3.960, "0.70": 2.980, "0.50": 2.278, "0.25": 1.699}, abs=5e-4)


def test_the_last_block_saves_all_tokens_but_cls() -> None:
    model = reduce(build_vit(TINY, 7), "topk", 0.5, (3, 6, 9))
    images, shape = torch.zeros(1, 3, 64, 64), Network.of(TINY, 7).shape
    saved = counted(lambda: model.forward_head(model.forward_features(images))) - counted(
        lambda: model(images)
    )
    tokens = BlockTokens.all(1 + 2)  # two of 16 are left after the last stage
    cls_alone = replace(tokens, queries=1, mlp=1)
    assert saved == forward_macs(shape, [tokens]).total - forward_macs(shape, [cls_alone]).total


def test_network_takes_no_memory_and_counts_parameters() -> None:
    assert Network.of(TINY, 7).parameters == sum(p.numel() for p in build_vit(TINY, 7).parameters())


def test_pattern_bytes_bound_what_is_stored(tmp_path) -> None:
    rng, images, tokens = np.random.default_rng(0), 4000, 196
    survived = rng.integers(0, 4, (images, tokens)).astype(np.uint8)
    clusters = rng.integers(0, 98, (images, tokens)).astype(np.int16)
    schema = pattern_schema(tokens, 1, kept=True, clusters=True, margin=False)
    texts = {
        name: pa.array(["x"] * images) for name in ("dataset", "backbone", "method", "keep_rate", "image_id")
    }
    lists = {"survived": survived, "cluster_1": clusters}
    columns = {name: pa.FixedSizeListArray.from_arrays(v.reshape(-1), tokens) for name, v in lists.items()}
    with batch_writer.open_writer(tmp_path / "p.parquet", schema, {}) as writer:
        writer.add({**texts, "seed": pa.array([0] * images), **columns})
    stored = (tmp_path / "p.parquet").stat().st_size / images
    random = pattern_bytes(tokens, "topk", [98, 49, 24]) + tokens * np.log2(98) / 8
    assert stored == pytest.approx(random, rel=0.1)
    assert pattern_bytes(tokens, "tome", [98, 49, 24]) == pytest.approx(
        tokens * np.log2([98, 49, 24]).sum() / 8
    )
    assert pattern_bytes(tokens, "none", [196] * 3) == 49


@pytest.mark.slow
def test_costs_of_the_default_study() -> None:
    costs = list(run_costs(study()))
    runs = [run.dataset for run in study().runs()]
    assert len(costs) == len(runs) > 100
    unreduced = costs[0]
    assert unreduced["training images"] == 2 * 256
    shape = Network.of(study().settings.backbones["vit_nano"], 10).shape
    macs = forward_macs(shape, shape.unreduced()).total
    assert unreduced["macs"] == macs * (3 * 2 * 256 + 1000)  # `selection: last` validates nothing
    assert unreduced["features"] == 1000 * 4 * 48 * 4
    table = cost_table(study())
    assert list(table.values.index) == ["Digits", "Scenes", "all"]
    counts = [runs.count("digits"), runs.count("scenes"), len(runs)]
    assert table.values["", "models"].tolist() == list(map(str, counts))


def test_costs_of_schedules() -> None:
    """Matched schedules cost what the paper's stages do; patterns have a schedule's numbers of tokens."""
    values = yaml.safe_load((ROOT / "config.yaml").read_text())["settings"]
    axes = {"datasets": ["digits"], "backbones": ["vit_nano"], "methods": ["tome", "topk"]}
    axes |= {"keep_rates": [0.5], "seeds": [0]}

    def costs(schedule: dict[str, object]) -> list[dict[str, object]]:
        methods = {**values["methods"], "tome": {"schedule": schedule}}
        return list(run_costs(study(**axes, settings={**values, "methods": methods})))

    _, tome, topk = costs({"kind": "matched"})
    assert tome["macs"] == pytest.approx(topk["macs"], rel=0.005)
    _, tome, _ = costs({"kind": "kept", "tokens": [100] * 3 + [60] * 4 + [40] * 5})
    assert tome["patterns"] == 1000 * pattern_bytes(100, "tome", [60, 60, 40])
    assert tome["features"] == 1000 * 4 * 48 * 4


def test_selection_costs_evaluations() -> None:
    last, test = (
        next(run_costs(study(training={"selection": selection})))["macs"] for selection in ("last", "test")
    )
    shape = Network.of(study().settings.backbones["vit_nano"], 10).shape
    macs = forward_macs(shape, shape.unreduced()).total
    assert test - last == macs * 2 * 1000


def test_unknown_numbers_of_images() -> None:
    settings = yaml.safe_load((ROOT / "config.yaml").read_text())["settings"]
    mine = {"adapter": "image_folder", "options": {"root": "x"}, "images": {"source": "stream"}}
    changed = study(datasets=["mine"], settings={**settings, "datasets": {"mine": mine}})
    with pytest.raises(ValueError, match="'mine': its number of images is not known before it is prepared"):
        list(run_costs(changed))
