"""Performance on corrupted images: that of the model on the whole corrupted split, however it is read."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from tests.training.pictures import CENTER, SMALL, table
from tests.training.tiny import BACKBONE
from tokred.data.corruptions import corrupt
from tokred.data.in_memory import Images, Source, normalize
from tokred.data.prepare import prepare
from tokred.data.streamed import Stream
from tokred.evaluation.job import evaluate_corrupted
from tokred.evaluation.robustness import evaluate
from tokred.evaluation.scores import NotFiniteError, score
from tokred.models.factory import build_model
from tokred.models.reduced import ReducedModel
from tokred.models.weights import save_weights
from tokred.run import Run
from tokred.settings import Backbone
from tokred.settings.corruption import CORRUPTIONS, SEVERITIES
from tokred.settings.jobs import Network
from tokred.tables import schemas

RUN = Run("pictures", "small", "topk", "0.50", 0)


def expected_scores(model: ReducedModel, backbone: Backbone, images: Source) -> dict[tuple[str, int], float]:
    """Scores on all images at once."""
    ((pixels, labels),) = images.plain_batches(len(images))
    scores = {}
    for name in CORRUPTIONS:
        for severity in SEVERITIES:
            corrupted = corrupt(pixels, name, severity, images.ids, backbone.grid)
            with torch.no_grad():
                logits = model(normalize(255 * corrupted, backbone))
            scores[name, severity] = score(images.task, logits.numpy(), labels.numpy())
    return scores


@pytest.mark.parametrize("task", ["single", pytest.param("multi", marks=pytest.mark.slow)])
def test_scores_of_a_stream(task: str, tmp_path: Path) -> None:
    stream = Stream.read(table(tmp_path / "test.parquet", 19, task, "test"), SMALL, CENTER, 0)
    model = build_model(RUN, SMALL, {}, (1, 2), 5).eval()
    expected = expected_scores(model, SMALL, stream)
    for batch_size in (7, 19):
        rows = evaluate(model, RUN, SMALL, stream, batch_size)
        found = {(row["corruption"], row["severity"]): row["score"] for row in rows}
        assert found == pytest.approx(expected, abs=1e-4)
        assert {row["metric"] for row in rows} == {"top1" if task == "single" else "map"}
        assert {row["n"] for row in rows} == {19}
        assert all(row["std_error"] > 0 for row in rows if 0 < row["score"] < 100)


@pytest.mark.slow
def test_plain_images_are_those_that_the_model_gets(tmp_path: Path) -> None:
    stream = Stream.read(table(tmp_path / "test.parquet", 9, "single", "test"), SMALL, CENTER, 0)
    prepare("digits", "digits", "test", {"num_test": 9}, str(tmp_path / "digits.parquet"))
    for images, backbone in (
        (stream, SMALL),
        (Images.read(str(tmp_path / "digits.parquet"), 30), BACKBONE),
    ):
        for (plain, labels), (pixels, same) in zip(images.plain_batches(4), images.batches(4), strict=True):
            assert 0 <= plain.min() < plain.max() <= 1
            assert torch.equal(labels, same)
            torch.testing.assert_close(
                normalize(255 * plain, backbone), images.inputs(pixels, backbone), rtol=0, atol=1e-5
            )


def test_one_corruption_can_be_chosen(tmp_path: Path) -> None:
    stream = Stream.read(table(tmp_path / "test.parquet", 9, "single", "test"), SMALL, CENTER, 0)
    model = build_model(RUN, SMALL, {}, (1, 2), 5)
    (row,) = evaluate(model, RUN, SMALL, stream, 4, corruptions=[("blur", 2)])
    assert (row["corruption"], row["severity"]) == ("blur", 2)


def test_logits_that_are_not_finite(tmp_path: Path) -> None:
    stream = Stream.read(table(tmp_path / "test.parquet", 9, "single", "test"), SMALL, CENTER, 0)
    model = build_model(RUN, SMALL, {}, (1, 2), 5)
    torch.nn.init.constant_(model.head.bias, float("nan"))
    expected = r"pictures/small/topk/0.50/0, noise at severity 1: logits of 9 of 9 images are infinite or NaN"
    with pytest.raises(NotFiniteError, match=expected):
        evaluate(model, RUN, SMALL, stream, 4)


@pytest.mark.slow
def test_the_job_writes_a_table(tmp_path: Path) -> None:
    images, weights, out = (str(tmp_path / name) for name in ("test.parquet", "0.safetensors", "r.parquet"))
    prepare("digits", "digits", "test", {"num_test": 12}, images)
    run, network = Run("digits", "tiny", "topk", "0.50", 3), Network(backbone=BACKBONE, locations=[3, 6])
    described = network.model_dump(mode="json")
    model = build_model(run, BACKBONE, {}, (3, 6), 10).eval()
    save_weights(model, weights, {"run": asdict(run), "model": described, "code": {"train": "t0"}})
    job = {"run": asdict(run), "model": described, "weights": weights, "test_table": images, "batch_size": 5}
    evaluate_corrupted({**job, "hardware": {"device": "cpu"}, "robustness": out, "code": {"own": "c0"}})
    rows = schemas.read(out, schemas.ROBUSTNESS)
    assert len(rows) == 12
    found = rows.set_index(["corruption", "severity"])["score"].to_dict()
    assert found == pytest.approx(expected_scores(model, BACKBONE, Images.read(images, 30)), abs=1e-4)
    assert set(rows["method"]) == {"topk"}
    assert schemas.metadata(out)["code"] == {"train": "t0", "own": "c0"}
