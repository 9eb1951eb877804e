"""Code that a job reaches: pinned, and compared with the code that actually runs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType

import pytest

import tokred
from tests.training.tiny import BACKBONE, SETTINGS
from tokred.artifacts.render import render_files
from tokred.comparison.job import make
from tokred.data.prepare import prepare
from tokred.evaluation.job import extract_run
from tokred.methods.registry import METHODS
from tokred.orchestration.provenance import installed
from tokred.orchestration.rule_code import MAKE_TABLE
from tokred.run import Run
from tokred.settings import Training
from tokred.study.view import View
from tokred.tables.registry import TABLES
from tokred.training.job import train

ROOT = Path(tokred.__file__).parent
#: Modules that a training and an extraction have in common. To add to this list is to have all models trained
#: anew when that code changes; a function that is no part of a training may as well stand in another module.
COMMON = """
    data.batch_shard data.decoding data.image_table data.in_memory data.info data.read data.resize
    data.streamed data.transforms evaluation.performance evaluation.scores files fingerprint
    methods.attention methods.base methods.layers methods.options methods.registry methods.tokens
    methods.topk models.blocks models.factory models.families models.forward models.forward_state
    models.pooling models.reduce models.reduced models.sharing models.shipped models.slots
    models.tensor_file models.trace models.vision_transformer models.weights names run runtime.device
    runtime.distributed schedules schedules.base schedules.budget schedules.diffrate_file schedules.macs
    schedules.matched schedules.shapes schedules.timm_sizes settings.backbone settings.base
    settings.hardware settings.images settings.jobs settings.training tables.identity tables.parquet
    tables.schemas validation
"""
TRAINING = """
    runtime.launch settings.augmentation training.checkpoint training.diverged training.fit
    training.job training.loop training.losses training.mixing training.optimizer training.step
"""
EXTRACTION = "evaluation.extract evaluation.job tables.batch_writer tables.patterns"
#: Runs, but for the log alone, which no result depends on.
LOGGED = {("tokred.training.fit", "describe")}
TABLES_OF_TRAINING = ["HISTORY", "_IDENTITY", "_TEXT", "_key", "code_of", "metadata", "write", "write_rows"]


def modules(names: str) -> set[str]:
    return {f"tokred.{name}" for name in names.split()}


@pytest.mark.slow
def test_modules_of_a_training() -> None:
    reached = installed().reached("tokred.training.job:train", METHODS=["topk"])
    assert set(reached) == modules(COMMON) | modules(TRAINING)
    assert reached["tokred.tables.schemas"] == TABLES_OF_TRAINING


def test_modules_of_an_extraction() -> None:
    reached = installed().reached("tokred.evaluation.job:extract_run", METHODS=["topk"])
    assert set(reached) == modules(COMMON) | modules(EXTRACTION)


def test_modules_are_imported_by_name_in_few_places() -> None:
    """What is imported by text cannot be followed: each such place is a registry, or starts jobs."""
    found = {
        file.relative_to(ROOT).as_posix()
        for file in ROOT.rglob("*.py")
        if "import_module(" in file.read_text()
    }
    registries = {
        "methods/registry.py",
        "metrics/registry.py",
        "data/registry.py",
        "artifacts/artifact.py",
        "tables/registry.py",
    }
    assert found - registries == {
        "__init__.py",  # the package's public names
        "comparison/job.py",  # the comparison, which the rule names
        "metrics/maps.py",  # a library
        "orchestration/provenance.py",
        "runtime/__main__.py",  # the job's own function, in each of its processes
        "orchestration/job_runner.py",
    }


@contextmanager
def running() -> Iterator[set[tuple[str, str]]]:
    """Collects module and name of every definition of the package whose code runs meanwhile."""
    found: set[tuple[str, str]] = set()

    def look(frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        name = code.co_qualname.partition(".")[0]
        if event == "call" and code.co_filename.startswith(str(ROOT)) and not name.startswith("<"):
            relative = Path(code.co_filename).relative_to(ROOT.parent).with_suffix("")
            found.add((".".join(relative.parts).removesuffix(".__init__"), name))

    sys.setprofile(look)
    try:
        yield found
    finally:
        sys.setprofile(None)


def missing(
    run: set[tuple[str, str]], targets: Iterable[str], **entries: Iterable[str]
) -> set[tuple[str, str]]:
    """What ran though it cannot be reached."""
    reached = installed().reached(*targets, **entries)
    assert len(run) > 10
    return {(module, name) for module, name in run if name not in reached.get(module, [])} - LOGGED


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jobs")


METHODS_RUN = ("topk", "kmedoids")


def run_of(method: str) -> Run:
    return Run("digits", "tiny", method, "0.50", 0)


@pytest.mark.slow
def test_all_that_runs_is_reached(folder: Path) -> None:
    tables = {split: str(folder / f"{split}.parquet") for split in ("train", "test")}
    with running() as run:
        for split, table in tables.items():
            prepare("digits", "digits", split, {"num_train": 24, "num_test": 8}, table)
    assert missing(run, ["tokred.data.prepare:prepare"], ADAPTERS=["digits"]) == set()
    for method in METHODS_RUN:
        described = {"backbone": BACKBONE.model_dump(mode="json"), "options": {}, "locations": [3, 6]}
        files = {
            name: str(folder / name / f"{method}.parquet") for name in ("predictions", "patterns", "features")
        }
        files["score"] = str(folder / "scores" / f"{method}.parquet")
        common = {"run": asdict(run_of(method)), "model": described, "code": {"made": "c0"}}
        common["weights"] = str(folder / f"{method}.safetensors")
        training = Training(**{**SETTINGS, "epochs": 1, "warmup_epochs": 0}).model_dump()
        with running() as run:
            train(
                {
                    **common,
                    "training": training,
                    "pretrained": str(_untrained(folder)),
                    "keep_head": False,
                    "train_table": tables["train"],
                    "history": str(folder / f"{method}.history.parquet"),
                }
            )
        assert missing(run, ["tokred.training.job:train"], METHODS=[method]) == set()
        without = missing(run, ["tokred.training.job:train"], METHODS=[])
        assert METHODS[method].target in {f"{module}:{name}" for module, name in without}
        with running() as run:
            extract_run({**common, "batch_size": 8, "test_table": tables["test"], **files})
        assert missing(run, ["tokred.evaluation.job:extract_run"], METHODS=[method]) == set()
    files = {
        name: sorted(map(str, (folder / stage).iterdir()))
        for name, stage in (("patterns", "patterns"), ("cls_features", "features"))
    }
    for name in ("methods", "keep_rates", "features", "summary"):
        table = TABLES[name]
        tables = [other.name for other in TABLES.values() if other.rule == table.rule]
        outputs = {other: str(folder / f"{other}.parquet") for other in tables}
        with running() as run:
            make(table.target, outputs, {source: files[source] for source in table.inputs}, code={"c": "0"})
        registries = {"METHODS": [], "METRICS": table.metrics, "TABLES": tables}
        assert missing(run, [MAKE_TABLE, table.target], **registries) == set()
    _test_drawing(folder)


def _untrained(folder: Path) -> Path:
    """Weights of the unreduced model."""
    from tokred.models.factory import build_model
    from tokred.models.weights import save_weights

    run = Run("digits", "tiny", "none", "1.00", 0)
    save_weights(build_model(run, BACKBONE, {}, (3, 6), 10), folder / "none.safetensors", {})
    return folder / "none.safetensors"


def _test_drawing(folder: Path) -> None:
    view = View(
        study="drawn",
        datasets={"digits": "Digits"},
        backbones={"tiny": "Tiny"},
        methods=METHODS_RUN,
        keep_rates=("0.50",),
        seeds=(0,),
        locations=(3, 6),
        grid=(5, 5),
        depth=12,
    )
    scores = sorted(map(str, (folder / "scores").iterdir()))
    with running() as run:
        render_files("figure1", asdict(view), {"scores": scores}, {"png": str(folder / "figure1.png")})
    artifacts = {"ARTIFACTS": ["figure1"], "METHODS": [], "METRICS": [], "TABLES": ["scores"]}
    assert missing(run, ["tokred.artifacts.render:render_files"], **artifacts) == set()
