"""The tables `macs` and `efficiency` of a study."""

from __future__ import annotations

import copy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
import yaml

import tokred
from tests.small_models import images, small_vit
from tests.study.studies import ROOT, default, overlaid
from tokred.efficiency import macs, measurements, sweep
from tokred.efficiency.judging import Configuration
from tokred.efficiency.sweep import Effort
from tokred.models.reduced import ReducedModel
from tokred.run import Run
from tokred.schedules import Stages
from tokred.schedules.macs import Shape, Site, forward_macs, reduced_blocks
from tokred.settings import parse
from tokred.study.study import Study
from tokred.tables import batch_writer, schemas
from tokred.tables.patterns import pattern_schema

#: 16 tokens.
BACKBONE = {"model": "deit_tiny_patch16_224", "image_size": 64, "patch_size": 16, "weights": "timm"}
AXES = {"datasets": ["digits"], "backbones": ["tiny"], "methods": ["topk", "ats"], "keep_rates": [0.5]}
PUBLISHED = yaml.safe_load((ROOT / "workflow/studies/published.yaml").read_text())
ONCE = Effort((1, 2), training_size=2, repeats=1, warm_up=0, training_repeats=1)
CPU = torch.device("cpu")


def tiny() -> dict[str, Any]:
    """The configuration of a study of Top-K and ATS in a small network."""
    network = BACKBONE | {"kwargs": {"embed_dim": 48, "num_heads": 3}, "mean": [0.5] * 3, "std": [0.5] * 3}
    backbones = {"backbones": {"tiny": network}}
    return overlaid(default(), {**AXES, "settings": backbones, "pretraining": None}) | {"seeds": [0]}


def reduced(method: str, rate: str = "0.50") -> Configuration:
    return Configuration(method, rate, tokred.reduce(small_vit(), method, schedule=Stages(rate)).eval())


def test_published_macs_of_deit() -> None:
    """In billions; those of the published study follow from its configuration."""
    config = overlaid(default(), copy.deepcopy(PUBLISHED)) | {"datasets": ["imagenet"]}
    rows = list(macs.rows({}, config))
    found = {(r["backbone"], r["method"], r["keep_rate"]): round(r["total"] / 1e9, 3) for r in rows}
    sizes = ("tiny", "small", "base")
    assert [found[f"deit_{size}", "none", "1.00"] for size in sizes] == [1.254, 4.599, 17.564]
    rates = ("0.90", "0.70", "0.50", "0.25")
    assert [found["deit_small", "topk", rate] for rate in rates] == [3.960, 2.980, 2.278, 1.699]
    assert not any(row["of_images"] for row in rows)
    assert all(row["total"] == sum(row[n] for n in ("embedding", "attention", "mlp", "head")) for row in rows)


def test_variable_numbers_of_tokens_are_those_of_the_images(tmp_path: Path) -> None:
    """Of 16 tokens 8, 4 and 2 are left in one image, and 3, 2 and 1 in another, which occurs twice."""
    config = tiny()
    run = Run("digits", "tiny", "ats", "0.50", 0)
    survived = np.array([_survived(8, 4, 2), _survived(3, 2, 1), _survived(3, 2, 1)], np.uint8)
    path = str(tmp_path / "patterns.parquet")
    schema = pattern_schema(16, 3, kept=True, clusters=False, margin=False)
    columns = {name: pa.array([value] * 3) for name, value in asdict(run).items()}
    columns |= {"image_id": pa.array(list("abc")), "survived": _lists(survived)}
    with batch_writer.open_writer(path, schema, {"run": asdict(run), "locations": [3, 6, 9]}) as writer:
        writer.add(columns)
    rows = list(macs.rows({"dynamic_patterns": [path]}, config))
    found = {row["method"]: row for row in rows if row["method"] != "none"}
    shape = Shape(16, 1, 768, 48, 192, 12, 10)
    first, second = (
        forward_macs(shape, reduced_blocks(shape, Site.WITHIN, dict(zip((3, 6, 9), kept, strict=True))))
        for kept in ((8, 4, 2), (3, 2, 1))
    )
    assert found["ats"]["attention"] == pytest.approx((first.attention + 2 * second.attention) / 3)
    assert found["ats"]["total"] == pytest.approx((first.total + 2 * second.total) / 3)
    assert found["topk"]["total"] == first.total
    assert (found["ats"]["of_images"], found["topk"]["of_images"]) == (True, False)
    schemas.write_rows(tmp_path / "macs.parquet", rows, schemas.MACS)


def _survived(*kept: int) -> list[int]:
    """Number of stages that each of 16 tokens survives, if so many are left after each."""
    return [sum(token < count for count in kept) for token in range(16)]


def _lists(values: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(values.reshape(-1), values.shape[1])


@pytest.mark.slow
def test_rows_have_the_columns_of_the_table(tmp_path: Path) -> None:
    study = parse(Study, tiny(), "tiny")
    rows = list(measurements.study_rows(study, "tiny", {}, CPU, ONCE))
    names = [(row["method"], row["batch_size"]) for row in rows]
    assert names == [(method, size) for size in (1, 2) for method in ("none", "topk", "ats")]
    schemas.write_rows(tmp_path / "efficiency.parquet", rows, schemas.EFFICIENCY)
    stored = schemas.read(tmp_path / "efficiency.parquet", schemas.EFFICIENCY)
    of = stored.set_index(["method", "batch_size"])
    assert of.loc["none", "speedup"].tolist() == [1, 1]
    assert of["training_seconds"].notna().tolist() == [False, True] * 3
    assert of.loc["none", "reduction_share"].isna().all()
    assert of.loc["topk", "reduction_share"].between(0, 1, inclusive="neither").all()
    shape = Shape(16, 1, 768, 48, 192, 12, 10)
    assert of.loc[("none", 1), "macs_executed"] == forward_macs(shape, shape.unreduced()).total
    assert of.loc[("topk", 1), "macs_executed"] < of.loc[("topk", 1), "macs_published"]
    assert (of["images_per_second"] == of.index.get_level_values("batch_size") / of["seconds"]).all()
    assert set(stored["image"]) == {"3 x 64 x 64"}
    assert not stored["real_images"].any()


def test_all_models_of_a_backbone_share_their_weights() -> None:
    study = parse(Study, tiny(), "tiny")
    chosen = list(measurements._configurations(study, "tiny", (), False))
    assert len({each.model.head.weight.data_ptr() for each in chosen}) == 1
    apart = list(measurements._configurations(study, "tiny", (), False))
    assert apart[0].model.head.weight.data_ptr() != chosen[0].model.head.weight.data_ptr()


@pytest.mark.slow
def test_a_model_that_does_not_fit_is_told_once_and_has_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    forward = ReducedModel.forward

    def limited(self: ReducedModel, x: torch.Tensor, *args: object) -> torch.Tensor:
        if self.method == "tome" and len(x) > 1:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(self, x, *args)

    monkeypatch.setattr(ReducedModel, "forward", limited)
    told: list[str] = []
    chosen = [reduced("none", "1.00"), reduced("tome")]
    effort = Effort((1, 2, 4), repeats=1, warm_up=0)
    rows = list(sweep.sweep(chosen, images(1), effort, told.append))
    assert [(row["method"], row["batch_size"]) for row in rows] == [
        ("none", 1),
        ("tome", 1),
        ("none", 2),
        ("none", 4),
    ]
    assert told == ["tome 0.50: 2 images at a time do not fit into memory"]


def test_published_macs_of_a_model_are_those_of_its_images() -> None:
    shape = Shape.of(small_vit())
    kept = dict(zip((3, 6, 9), (32, 16, 8), strict=True))
    expected = forward_macs(shape, reduced_blocks(shape, Site.AFTER, kept)).total
    assert macs.published_macs("tome", reduced("tome").model, images(1)) == expected
    ats, pictures = reduced("ats", "0.90").model, images(4)
    each = [macs.published_macs("ats", ats, picture[None]) for picture in pictures]
    assert macs.published_macs("ats", ats, pictures) == pytest.approx(sum(each) / 4)
    assert len(set(each)) > 1
