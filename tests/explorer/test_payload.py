"""The page contains the data of the tables, within its size limit, and any name is harmless."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.explorer.studies import NASTY, Made, make, payload_of, view
from tokred.data.image_table import ImageTable
from tokred.data.resize import resize_center_crop
from tokred.explorer import page
from tokred.explorer.build import build, read_content
from tokred.explorer.payload import Content
from tokred.run import Run
from tokred.tables import patterns, schemas
from tokred.tables.patterns import fixed_lists


def built(made: Made, folder: Path, **options: int) -> dict:
    build(asdict(made.view), {}, made.inputs, {"page": str(folder / "page.html")}, **options)
    return payload_of(folder / "page.html")


def unpack(text: str, width: int) -> np.ndarray:
    values = np.frombuffer(base64.b64decode(text), "u1" if width == 1 else "<u2").astype(int)
    return np.where(values == (255 if width == 1 else 65535), -1, values)


def test_a_method_with_a_schedule_has_no_least_keep_rate() -> None:
    """The page explains absent runs by it."""
    tables = (schemas.SCORES, schemas.AGREEMENT, schemas.MACS, schemas.DEPTH)
    empty = [pd.DataFrame(columns=schema.names) for schema in tables]
    for scheduled, least in (({}, "0.5"), ({"tome": ("0.25",)}, "0")):
        content = Content(replace(view(), scheduled=scheduled), {}, [], *empty)
        (found,) = [method for method in content.payload(1)["methods"] if method["name"] == "tome"]
        assert found["least"] == least


@pytest.mark.slow
@pytest.mark.parametrize("grid", [(4, 4), (3, 6), (16, 16)])
def test_patterns_and_predictions_equal_the_tables(grid: tuple[int, int], tmp_path: Path) -> None:
    made = make(tmp_path, view(grid=grid), images=12, size=4)
    data = built(made, tmp_path, images=5)
    assert data["bytes"] == (2 if grid == (16, 16) else 1)
    tokens, seen = grid[0] * grid[1], 0
    for path in made.inputs["patterns"]:
        stored, run = patterns.read(path), Run(**schemas.metadata(path)["run"])
        entry = data["runs"][run.key.rpartition("/")[0]]
        (dataset,) = [d for d in data["datasets"] if d["name"] == run.dataset]
        rows = [stored.image_ids.tolist().index(image["id"]) for image in dataset["images"]]
        assert len(rows) == 5
        assert ("survived" in entry) == (stored.survived is not None)
        assert ("clusters" in entry) == (stored.clusters is not None)
        assert ("margin" in entry) == (stored.margin is not None)
        if stored.survived is not None:
            shown = unpack(entry["survived"], data["bytes"]).reshape(-1, tokens)
            np.testing.assert_array_equal(shown, stored.survived[rows])
        if stored.clusters is not None:
            shown = unpack(entry["clusters"], data["bytes"]).reshape(-1, 3, tokens)
            np.testing.assert_array_equal(shown, np.stack(stored.clusters, axis=1)[rows])
        if stored.margin is not None:
            np.testing.assert_allclose(entry["margin"], stored.margin[rows], atol=1e-6)
        logits = fixed_lists(pq.read_table(made.path("predictions", run)), "logits")[rows]
        several = [np.flatnonzero(row > 0).tolist() for row in logits]
        one = [[int(row.argmax())] for row in logits]
        assert entry["predicted"] == (several if run.dataset == "several" else one)
        seen += 1
    assert seen == len(data["runs"]) == 2 * 2 * (1 + 6 + 5)


def test_dropped_tokens_of_merging_methods_are_told(tmp_path: Path) -> None:
    made = make(tmp_path, view(datasets={"one": "One"}, backbones={"b": "B"}, methods=("tome",)), images=3)
    content = read_content(made.view, {}, made.inputs, 3)
    (run,) = [run for run in content.runs if run.run.method == "tome"]
    order = content.datasets["one"].order(3)
    run.patterns.clusters[1][order[2], 5] = -1
    shown = unpack(content.payload(3)["runs"]["one/b/tome/0.70"]["clusters"], 1).reshape(3, 3, 16)
    np.testing.assert_array_equal(shown, np.stack(run.patterns.clusters, axis=1)[order])
    assert shown[2, 1, 5] == -1


@pytest.mark.slow
def test_images_labels_scores_and_depth_equal_the_tables(tmp_path: Path) -> None:
    made = make(tmp_path, view(seeds=(3, 1)), images=9)
    data = built(made, tmp_path)
    for path, dataset in zip(made.inputs["datasets"], data["datasets"], strict=True):
        table = ImageTable(path)
        hot = table.info.task == "multi"
        assert (dataset["total"], dataset["classes"]) == (9, list(table.info.classes))
        assert sorted(image["id"] for image in dataset["images"]) == sorted(table.image_ids)
        for image in dataset["images"]:
            label = table.labels[table.image_ids.tolist().index(image["id"])]
            assert image["labels"] == (np.flatnonzero(label).tolist() if hot else [label])
    scores = schemas.read(made.inputs["scores"], schemas.SCORES)
    shown = pd.DataFrame(data["scores"])[scores.columns]
    pd.testing.assert_frame_equal(shown, scores, check_dtype=False, atol=1e-9, rtol=0)
    assert set(scores["seed"]) == {1, 3}
    shown = pd.DataFrame(data["scores"])
    agreement = schemas.read(made.inputs["agreement"], schemas.AGREEMENT)
    reduced = shown[shown["method"] != "none"]
    np.testing.assert_allclose(reduced["agreement"], 100 * agreement["mean"], atol=1e-9)
    assert shown.loc[shown["method"] == "none", "agreement"].isna().all()
    macs = schemas.read(made.inputs["macs"], schemas.MACS)
    np.testing.assert_allclose(shown["gmacs"], macs["total"] / 1e9, atol=1e-9)
    depth = schemas.read(made.inputs["depth"], schemas.DEPTH)
    assert set(depth["seed"]) == {3}
    for names, rows in depth.groupby(["dataset", "backbone", "method", "keep_rate"]):
        np.testing.assert_allclose(data["maps"]["/".join(names)], rows["depth"], atol=1e-3)
    assert len(data["maps"]) == depth.groupby(["dataset", "backbone", "method", "keep_rate"]).ngroups


@pytest.mark.slow
def test_as_many_images_as_fit(tmp_path: Path) -> None:
    made = make(tmp_path, view(), images=30, size=16)
    full = built(made, tmp_path, images=30)
    size = (tmp_path / "page.html").stat().st_size
    limit = int(0.8 * size)
    fewer = built(made, tmp_path, images=30, limit=limit)
    assert 0.65 * size < (tmp_path / "page.html").stat().st_size <= limit
    for before, after in zip(full["datasets"], fewer["datasets"], strict=True):
        kept = {image["id"] for image in after["images"]}
        assert 1 <= len(kept) < 30
        assert kept < {image["id"] for image in before["images"]}
    (tmp_path / "page.html").unlink()
    with pytest.raises(ValueError, match=r"bytes with the fewest images, expected at most 20000"):
        built(made, tmp_path, limit=20_000)
    assert list(tmp_path.glob("*.html")) + list(tmp_path.glob(".*part*")) == []


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    made = make(tmp_path, view(datasets={"one": "One"}), images=3)
    content = read_content(made.view, {}, made.inputs, 3)
    content.scores.loc[0, ["score", "loss"]] = np.nan
    row = content.payload(3)["scores"][0]
    assert (row["score"], row["loss"]) == (None, None)
    page.render("made_up", content.payload(3))


@pytest.mark.slow
def test_names_cannot_leave_their_place(tmp_path: Path) -> None:
    labels = {"one": NASTY[0], "several": NASTY[3]}
    made = make(tmp_path, view(study=NASTY[0], datasets=labels), images=5, classes=NASTY)
    data = built(made, tmp_path)
    assert data["datasets"][0]["classes"] == list(NASTY)
    assert [dataset["label"] for dataset in data["datasets"]] == [NASTY[0], NASTY[3]]
    text = (tmp_path / "page.html").read_text()
    assert text.count("</script>") == text.count("<script") == 2
    assert f"<title>Token reduction explorer: {html.escape(NASTY[0])}</title>" in text


def test_policy_allows_this_script_and_style_alone(tmp_path: Path) -> None:
    made = make(tmp_path, view(datasets={"one": "One"}), images=2)
    built(made, tmp_path)
    text = (tmp_path / "page.html").read_text()
    (policy,) = re.findall(r'Policy" content="(.*?)"', text)
    for kind, content in (
        ("script", re.search(r"<script>(.*?)</script>", text, re.S)),
        ("style", re.search(r"<style>(.*?)</style>", text, re.S)),
    ):
        digest = base64.b64encode(hashlib.sha256(content[1].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in html.unescape(policy)
    assert "default-src 'none';" in html.unescape(policy)
    assert not re.search(r"(src|href)=.?https?:|url\(|@import|fetch\(|XMLHttpRequest", text)


@pytest.mark.slow
def test_the_same_bytes_every_time(tmp_path: Path) -> None:
    made = make(tmp_path, view(), images=6)
    built(made, tmp_path)
    first = (tmp_path / "page.html").read_bytes()
    made.inputs = {name: files[::-1] if name != "scores" else files for name, files in made.inputs.items()}
    built(made, tmp_path)
    assert (tmp_path / "page.html").read_bytes() == first


@pytest.mark.slow
def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    made = make(tmp_path, view(), images=4)
    other = make(tmp_path / "other", view(), images=5)
    with pytest.raises(ValueError, match=r"grid \[4, 4\], expected the study's \[2, 8\]"):
        read_content(view(grid=(2, 8)), {}, made.inputs, 4)
    with pytest.raises(ValueError, match="seed 0, expected the study's first, 7"):
        read_content(view(seeds=(7, 0)), {}, made.inputs, 4)
    with pytest.raises(ValueError, match=r"image '.*-004' of the data set is missing"):
        read_content(view(), {}, {**made.inputs, "datasets": other.inputs["datasets"]}, 5)


def test_every_asset_is_part_of_the_page() -> None:
    scripts = [f"{name}.mjs" for name in page._SCRIPTS]
    assert sorted(path.name for path in page.assets()) == sorted([*scripts, "page.css", "page.html"])


@pytest.mark.slow
def test_the_job_needs_no_torch() -> None:
    code = "import sys, tokred.explorer.build; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.slow
def test_streamed_pictures_are_what_the_backbones_see(tmp_path: Path) -> None:
    made = make(tmp_path, view())
    name = next(iter(made.view.datasets))
    plain = read_content(made.view, {}, made.inputs, 1).datasets[name].pictures[0]
    framed = (
        read_content(made.view, {name: {"size": 32, "crop_pct": 0.5}}, made.inputs, 1)
        .datasets[name]
        .pictures[0]
    )
    decoded = [Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) for uri in (plain, framed)]
    expected = resize_center_crop(decoded[0].convert("RGB"), 32, 0.5)
    np.testing.assert_array_equal(np.asarray(decoded[1].convert("RGB")), np.asarray(expected))
