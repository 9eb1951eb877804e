"""Valid configurations can be run, and invalid ones are rejected with one clear line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from snakemake.exceptions import WorkflowError

from tests.study.studies import at, overlaid
from tests.typical import slow_after_first
from tests.workflow.random_studies import graph, random_study, whole
from tokred.settings import parse
from tokred.study.study import Study

PRETRAINED = {"model": "vit_tiny_patch16_224", "image_size": 30, "patch_size": 3, "weights": "pretrain"}
UNSHIPPED = {**PRETRAINED, "weights": "shipped"}
ONE = {"backbones": ["vit_nano"], "locations": [3]}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder, in which other studies have results and a backbone its weights."""
    monkeypatch.chdir(tmp_path)
    for study in ("mine", "other"):
        (tmp_path / f"results/{study}/scores").mkdir(parents=True)
        (tmp_path / f"results/{study}/scores/0.parquet").touch()
    shapes = {"patch_embed.proj.weight": (48, 3, 3, 3), "blocks.11.norm1.weight": (48,)}
    save_file({name: np.zeros(shape) for name, shape in shapes.items()}, tmp_path / "weights.safetensors")
    return tmp_path


def accepted(overlay: dict[str, Any]) -> Study | None:
    """The study, None where it is refused; a refusal names the key or the run first."""
    try:
        return parse(Study, whole(overlay), "study")
    except ValueError as error:
        first, *lines = str(error).splitlines()
        assert first == "study: invalid configuration"
        assert lines
        assert all(line.strip() for line in lines)
        return None


def sample(first: int, count: int) -> list[int]:
    """The first seeds of studies that are accepted."""
    found: list[int] = []
    seed = first
    while len(found) < count:
        if accepted(random_study(seed)) is not None:
            found.append(seed)
        seed += 1
    return found


def test_accepted_studies_have_a_graph(folder: Path) -> None:
    trained = 0
    for seed in sample(0, 20):
        overlay = random_study(seed)
        study = accepted(overlay)
        try:
            jobs = graph(overlay, folder)
        except WorkflowError as error:
            pytest.fail(f"random_study({seed}): {error}")
        runs = len(list(study.runs())) if study.scores == "trained" else 0
        assert jobs.get("extract", 0) == jobs.get("train", 0) == runs, f"random_study({seed})"
        trained += runs
        assert jobs["claims"] == 1
    assert trained > 100


def test_accepted_searches_have_a_graph_or_say_why(folder: Path) -> None:
    made = 0
    with_search = [seed for seed in range(2000, 2400) if "search" in random_study(seed)]
    for seed in [seed for seed in with_search if accepted(random_study(seed)) is not None][:6]:
        try:
            made += graph(random_study(seed), folder, "search")["search"]
        except WorkflowError as error:
            if "StudyError:\n    search" not in str(error):
                pytest.fail(f"random_study({seed}): {error}")
    assert made >= 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            overlaid(at("settings.backbones.own", UNSHIPPED), {"backbones": ["own"]}),
            "settings.backbones.own.weights: no weights are shipped for backbone 'own'; shipped: vit_micro",
        ),
        (
            at("settings.backbones.vit_nano.weights", "shiped"),
            "settings.backbones.vit_nano.weights: no such file: 'shiped' (did you mean 'shipped'?)",
        ),
        (
            overlaid(at("settings.backbones.vit_nano.depth", 6), ONE),
            "settings.backbones.vit_nano.depth: found 6, expected 12 as in its weights (",
        ),
        (
            at("settings.backbones.vit_nano.kwargs.embed_dim", 96),
            "settings.backbones.vit_nano.kwargs.embed_dim: found 96, expected 48 as in its weights (",
        ),
        (
            overlaid(at("settings.backbones.vit_nano.patch_size", 8), ONE),
            "settings.backbones.vit_nano.patch_size: found 8, expected 3 as in its weights (",
        ),
        (
            overlaid(at("settings.datasets." + "ab" * 20, {"adapter": "digits"}), {"datasets": ["ab" * 20]}),
            f"datasets: '{'ab' * 20}' ends with twenty or more repetitions",
        ),
        (
            overlaid(at("settings.backbones." + "0" * 20, PRETRAINED), {"backbones": ["0" * 20]}),
            f"backbones: '{'0' * 20}' ends with twenty or more repetitions",
        ),
    ],
)  # fmt: skip
def test_studies_without_a_graph_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="invalid configuration") as error:
        parse(Study, whole(changes), "study")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "weights.safetensors is not a safetensors file: "),
        ({"head.weight": np.zeros(3)}, "has no weights of a Vision Transformer with timm's names"),
    ],
)
def test_files_that_are_no_weights_are_refused(
    content: bytes | dict[str, np.ndarray], message: str, folder: Path
) -> None:
    if isinstance(content, bytes):
        Path("weights.safetensors").write_bytes(content)
    else:
        save_file(content, "weights.safetensors")
    own = {**PRETRAINED, "weights": "weights.safetensors", "mean": [0.5] * 3, "std": [0.5] * 3}
    changes = overlaid(at("settings.backbones.own", own), {"backbones": ["own"]})
    with pytest.raises(ValueError, match=rf"settings\.backbones\.own\.weights: .*{message}"):
        parse(Study, whole(changes), "study")


def test_weights_of_a_study_that_trains_nothing_need_not_be_there(tmp_path: Path) -> None:
    overlay = next(
        o for o in map(random_study, range(3000, 4000)) if o.get("scores") == "published" and accepted(o)
    )
    changed = overlaid(
        overlay, at(f"settings.backbones.{overlay['backbones'][0]}.weights", "nowhere.safetensors")
    )
    assert "train" not in graph(overlaid(changed, {"compare_with": None}), tmp_path)


@pytest.mark.parametrize(
    "changes",
    slow_after_first(
        [
            {"methods": ["l1"], "keep_rates": [1.0]},
            {"keep_rates": [0.25], "methods": ["topk"], "datasets": ["digits"], "backbones": ["vit_nano"]},
            {"locations": [11], "pretraining": None},
            {"seeds": [2**31 - 1]},
            {"training": {"epochs": 0, "warmup_epochs": 0}, "datasets": ["digits"]},
            at("settings.backbones.vit_nano.weights", "pretrain"),
            {"study": "search", "compare_with": None, "table_intervals": True},
        ]
    ),
)
def test_odd_studies_have_a_graph(changes: dict[str, Any], tmp_path: Path) -> None:
    jobs = graph(changes, tmp_path)
    assert jobs["train"] == len(list(parse(Study, whole(changes), "study").runs()))
