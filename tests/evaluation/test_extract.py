"""Extraction: what is written is what the model does, image by image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from tests.evaluation.files import outputs
from tests.small_models import by_method
from tests.training.tiny import BACKBONE
from tokred.data.in_memory import Images, normalize
from tokred.data.prepare import prepare
from tokred.evaluation.extract import Outputs, extract
from tokred.evaluation.job import extract_run
from tokred.evaluation.scores import NotFiniteError, score
from tokred.methods.registry import METHODS
from tokred.models.factory import build_model
from tokred.models.weights import save_weights
from tokred.run import Run
from tokred.schedules import Constant, Kept, Schedule
from tokred.settings.jobs import ExtractJob, Network
from tokred.tables import patterns, schemas
from tokred.tables.patterns import fixed_lists

MODEL = Network(backbone=BACKBONE, locations=[3, 6]).model_dump(mode="json")


def job(
    run: Run, checkpoint: str, table: str, files: Outputs, model: dict[str, Any] = MODEL, **more: Any
) -> ExtractJob:
    """An extraction in batches of 8 images."""
    return ExtractJob(
        run=run,
        model=model,
        weights=checkpoint,
        test_table=table,
        **{"batch_size": 8, **asdict(files), **more},
    )


@pytest.mark.slow
@pytest.mark.parametrize("method", by_method(METHODS))
@pytest.mark.parametrize("dataset", ["digits", "scenes"])
def test_tables_hold_what_the_model_does(method: str, dataset: str, tmp_path: Path) -> None:
    table, checkpoint = str(tmp_path / "test.parquet"), str(tmp_path / "model.safetensors")
    prepare(dataset, dataset, "test", {"num_test": 21}, table)
    rate = "1.00" if method == "none" else "0.70"
    run = Run(dataset, "tiny", method, rate, 3)
    model = build_model(run, BACKBONE, {}, (3, 6), 10).eval()
    save_weights(model, checkpoint, {"run": asdict(run), "model": MODEL})
    files = outputs(tmp_path)
    extract_run(job(run, checkpoint, table, files, code={"extract": "e0"}))

    images = Images.read(table, 30)
    with torch.no_grad():
        logits, trace = model.trace(normalize(images.pixels, BACKBONE))
    stored = pq.read_table(files.predictions)
    assert stored["image_id"].to_pylist() == images.ids
    np.testing.assert_allclose(fixed_lists(stored, "logits"), logits, atol=1e-4)
    row = schemas.read(files.score, schemas.SCORES).iloc[0]
    assert row["score"] == pytest.approx(score(images.task, logits.numpy(), images.labels.numpy()), abs=1e-3)
    assert (row["method"], row["keep_rate"], row["seed"], row["n"]) == (method, rate, 3, 21)
    features = pq.read_table(files.features)
    for stage in range(3):
        np.testing.assert_allclose(fixed_lists(features, f"cls_{stage + 1}"), trace.cls[:, stage], atol=1e-4)
    _check_patterns(patterns.read(files.patterns), trace.stages, METHODS[method])
    facts = schemas.metadata(files.patterns)
    assert facts["run"] == asdict(run)
    assert facts["locations"] == [3, 6]


def _check_patterns(found: patterns.Patterns, stages: list, spec: object) -> None:
    assert (found.clusters is not None) == spec.clusters
    assert (found.survived is not None) == (spec.kept or not spec.target)
    if not spec.target:
        assert (found.survived == 2).all()
    for index, stage in enumerate(stages, 1):
        if spec.kept:
            for image, anchors in enumerate(stage.anchor):
                assert np.flatnonzero(found.kept(index)[image]).tolist() == sorted(
                    anchors[anchors >= 0].tolist()
                )
        if spec.clusters:
            differs = found.clusters[index - 1] != patterns.numbered_clusters(stage.assign.numpy())
            # Batches of another size round differently; only ties may then fall the other way.
            assert differs.mean() < 0.02
    if stages[0].margin is not None:
        assert found.margin.shape == (21, 2)


@pytest.mark.parametrize(
    ("method", "schedule", "kept"),
    [
        ("tome", Constant(2), [17, 11]),
        ("topk", Kept((25,) * 4 + (16,) * 2 + (9,) * 6), [25, 9]),  # no stage in block 3 or before
        ("sit", Constant(8, blocks=(4, 9)), [25, 17]),
    ],
)
def test_patterns_of_a_schedule_are_those_at_the_studys_locations(
    method: str, schedule: Schedule, kept: list[int], tmp_path: Path
) -> None:
    """There is one pattern per location, whatever the blocks of the stages are."""
    table, checkpoint = str(tmp_path / "test.parquet"), str(tmp_path / "model.safetensors")
    prepare("digits", "digits", "test", {"num_test": 8}, table)
    run = Run("digits", "tiny", method, "0.25", 3)
    described = Network(backbone=BACKBONE, locations=[3, 6], schedule=schedule).model_dump(mode="json")
    model = build_model(run, BACKBONE, {}, (3, 6), 10, schedule=schedule).eval()
    save_weights(model, checkpoint, {"run": asdict(run), "model": described})
    files = outputs(tmp_path)
    extract_run(job(run, checkpoint, table, files, described))
    with torch.no_grad():
        _, trace = model.trace(normalize(Images.read(table, 30).pixels, BACKBONE), blocks=(3, 6))
    found, spec = patterns.read(files.patterns), METHODS[method]
    assert schemas.metadata(files.patterns)["kept"] == kept
    assert schemas.metadata(files.patterns)["locations"] == [3, 6]
    for index, number in enumerate(kept):
        if spec.kept:
            assert (found.kept(index + 1).sum(axis=1) == number).all()
        if spec.clusters:
            expected = patterns.numbered_clusters(trace.stages[index].assign.numpy())
            assert (found.clusters[index] == expected).all()
            assert patterns.count_clusters(found.clusters[index]).max() <= number
    if found.margin is not None:
        assert (found.margin[:, 0] == 1).all()  # no stage has merged any token
        assert (found.margin[:, 1] < 1).all()
    features = pq.read_table(files.features)
    for stage in range(3):
        np.testing.assert_allclose(fixed_lists(features, f"cls_{stage + 1}"), trace.cls[:, stage], atol=1e-4)


def test_nothing_is_left_of_a_failed_extraction(tmp_path: Path) -> None:
    table = str(tmp_path / "test.parquet")
    prepare("digits", "digits", "test", {"num_test": 20}, table)
    run = Run("digits", "tiny", "topk", "0.70", 0)
    model = build_model(run, BACKBONE, {}, (3, 6), 10)
    calls, forward = [], model.trace

    def failing(batch: torch.Tensor, blocks: Sequence[int]) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("broken in mid-run")
        return forward(batch, blocks)

    model.trace = failing
    with pytest.raises(RuntimeError, match="broken in mid-run"):
        extract(model, run, BACKBONE, Images.read(table, 30), 8, outputs(tmp_path / "out"), {})
    assert len(calls) == 3
    assert list((tmp_path / "out").iterdir()) == []


def test_features_that_are_not_finite_are_no_result(tmp_path: Path) -> None:
    table = str(tmp_path / "test.parquet")
    prepare("digits", "digits", "test", {"num_test": 5}, table)
    run = Run("digits", "tiny", "topk", "0.70", 0)
    model = build_model(run, BACKBONE, {}, (3, 6), 10)
    with torch.no_grad():
        model.norm.weight.fill_(1e38)  # finite weights, infinite logits
        model.head.weight.fill_(1e38)
    images = Images.read(table, 30)
    with pytest.raises(NotFiniteError, match=r"digits/tiny/topk/0\.70/0: logits or features of image '"):
        extract(model, run, BACKBONE, images, 8, outputs(tmp_path / "out"), {})
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 7}, "is of run.seed 0, expected run.seed 7"),
        ({"keep_rate": "0.90"}, "is of run.keep_rate '0.70', expected run.keep_rate '0.90'"),
    ],
)
def test_checkpoint_of_another_run(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    table, checkpoint = str(tmp_path / "test.parquet"), str(tmp_path / "model.safetensors")
    prepare("digits", "digits", "test", {"num_test": 5}, table)
    run = Run("digits", "tiny", "topk", "0.70", 0)
    save_weights(build_model(run, BACKBONE, {}, (3, 6), 10), checkpoint, {"run": asdict(run), "model": MODEL})
    files = outputs(tmp_path / "out")
    with pytest.raises(ValueError, match=rf"model\.safetensors: {message}"):
        extract_run(job(replace(run, **changes), checkpoint, table, files))
    other = {**MODEL, "locations": [3, 7]}
    with pytest.raises(ValueError, match=r"is of model\.locations \[3, 6\], expected .*\[3, 7\]"):
        extract_run(job(run, checkpoint, table, files, other))
    other = {**MODEL, "schedule": {"kind": "constant", "number": 3}}
    with pytest.raises(ValueError, match=r"is of no model\.schedule\.kind, .*expected .*kind 'constant'"):
        extract_run(job(run, checkpoint, table, files, other))
    assert not (tmp_path / "out").exists()


def test_checkpoint_of_another_architecture(tmp_path: Path) -> None:
    table, checkpoint = str(tmp_path / "test.parquet"), str(tmp_path / "model.safetensors")
    prepare("digits", "digits", "test", {"num_test": 5}, table)
    run = Run("digits", "tiny", "topk", "0.70", 0)
    wide = BACKBONE.model_copy(update={"kwargs": {"embed_dim": 48, "num_heads": 3}})
    save_weights(build_model(run, wide, {}, (3, 6), 10), checkpoint, {"run": asdict(run), "model": MODEL})
    with pytest.raises(
        ValueError, match=r"model.safetensors: weights of another architecture\n  cls_token: found"
    ):
        extract_run(job(run, checkpoint, table, outputs(tmp_path)))
