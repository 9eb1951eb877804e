"""Changed code, moved folders and kept results, with the real Snakemake on a finished study."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
import yaml

import tokred
from tests.typical import slow_rows_after_first
from tests.workflow.conftest import ROOT, call, planned
from tokred.tables import schemas

STUDY = {
    "study": "tiny",
    "datasets": ["digits"],
    "backbones": ["vit_nano"],
    "methods": ["topk", "kmedoids"],
    "keep_rates": [0.5],
    "training": {"epochs": 1, "batch_size": 8, "warmup_epochs": 0},
    "settings": {"datasets": {"digits": {"options": {"num_train": 32, "num_test": 16}}}},
}
RESULTS = "results/tiny"
TARGETS = [
    f"{RESULTS}/{name}" for name in ("figures/figure6.pdf", "tables/table1.md", "claims.md", "code.md")
]
RUN = "digits/vit_nano/topk/0.50/0"
OF_A_RUN = ("prepare", "train", "extract")


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Snakemake for the study in `folder`, with the checkout beside its working folder."""
    return call(
        folder / "work",
        *TARGETS,
        *arguments,
        "--configfile",
        str(folder / "tiny.yaml"),
        root=folder / "clone",
    )


def to_do(folder: Path, *arguments: str) -> dict[str, int]:
    """Number of jobs by rule that Snakemake would do."""
    done = make(folder, "--dry-run", *arguments)
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed[-3000:]
    jobs = planned(printed)
    assert jobs or "Nothing to be done" in printed
    return jobs


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkout ("clone") and a finished study ("work")."""
    folder = tmp_path_factory.mktemp("finished")
    left_out = shutil.ignore_patterns("__pycache__", ".*", "results", "tests", "docs", "benchmarks")
    shutil.copytree(ROOT, folder / "clone", ignore=left_out)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(STUDY))
    (folder / "work").mkdir()
    done = make(folder)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return folder


@contextmanager
def changed(file: Path, before: str, after: str) -> Iterator[None]:
    """A file with another text in it for a while."""
    original = file.read_text()
    assert before in original
    file.write_text(original.replace(before, after))
    try:
        yield
    finally:
        file.write_text(original)


def test_a_changed_formula_of_a_metric_has_all_that_shows_it_made_anew(finished: Path) -> None:
    with changed(finished / "clone/tokred/metrics/features.py", "- 2 * nuclear", "- 3 * nuclear"):
        jobs = to_do(finished)
    assert {name: n for name, n in jobs.items() if name in OF_A_RUN} == {}
    assert jobs == {"compare_features": 1, "compare_proxies": 1, "figure": 1, "claims": 1, "lineage": 1}


@pytest.mark.parametrize(
    ("file", "before", "after"),
    slow_rows_after_first(
        [
            ("tokred/names.py", '"""Lookup of names', '"""Search for names'),
            ("tokred/tables/schemas.py", '"""Schemas of all tables', '"""Schemas of the tables'),
            (
                "tokred/models/vision_transformer.py",
                "from __future__ import annotations\n",
                "# New.\nfrom __future__ import annotations\n",
            ),
            ("workflow/scripts/run_job.py", '"""Run the function', '"""Call the function'),
        ]
    ),
)
def test_changed_words_have_nothing_made_anew(finished: Path, file: str, before: str, after: str) -> None:
    with changed(finished / "clone" / file, before, after):
        assert to_do(finished) == {}


def test_a_changed_label_has_pictures_made_anew_and_no_model(finished: Path) -> None:
    with changed(finished / "clone/tokred/methods/registry.py", '"Top-K"', '"Top-k"'):
        assert to_do(finished) == {"figure": 1, "table": 1, "claims": 1}


def test_a_changed_method_has_its_own_models_made_anew(finished: Path) -> None:
    with changed(finished / "clone/tokred/methods/topk.py", ".mean(dim=1)", ".amax(dim=1)"):
        jobs = to_do(finished)
    assert (jobs["train"], jobs["extract"]) == (1, 1)
    assert "prepare" not in jobs


def test_what_only_starts_jobs_has_nothing_made_anew(finished: Path) -> None:
    script = finished / "clone/workflow/scripts/run_job.py"
    script.touch()
    with changed(script, "import json\n", "import json\nimport sys\n"):
        assert to_do(finished) == {}


def test_changed_hardware_has_nothing_made_anew(finished: Path) -> None:
    assert to_do(finished, "--config", "hardware={micro_batch_size: 4, workers: 1}") == {}


def test_changed_arguments_of_a_job_count(finished: Path) -> None:
    jobs = to_do(finished, "--config", "evaluation_batch_size=4")
    assert jobs["extract"] == 3
    assert "train" not in jobs


def test_a_copy_of_everything_has_nothing_to_do(finished: Path, tmp_path: Path) -> None:
    # As by `cp -r`: all files are as new as their copying, whatever was made first.
    for name in ("work", "clone"):
        shutil.copytree(finished / name, tmp_path / "copy" / name, copy_function=shutil.copyfile)
    shutil.copyfile(finished / "tiny.yaml", tmp_path / "copy/tiny.yaml")
    assert to_do(tmp_path / "copy") == {}
    (tmp_path / "copy").rename(tmp_path / "moved")
    assert to_do(tmp_path / "moved") == {}


def test_shipped_weights_count_by_their_content(finished: Path) -> None:
    weights = finished / "clone/tokred/models/shipped_weights/vit_nano.safetensors"
    content = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(content)
    assert to_do(finished) == {}
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        assert to_do(finished)["train"] == 3
    finally:
        weights.write_bytes(content)


def test_every_table_says_which_code_made_it(finished: Path) -> None:
    files = sorted((finished / "work" / RESULTS).rglob("*.parquet"))
    assert len(files) > 20
    for file in files:
        facts = schemas.metadata(file)
        assert facts["code"], file
        assert all(isinstance(stage, str) for stage in facts["code"])
    scores = schemas.metadata(finished / "work" / RESULTS / f"scores/{RUN}.parquet")
    stages = {f"{stage}{own}" for stage in ("train", "extract") for own in ("", " topk")}
    assert set(scores["code"]) == stages | {"prepare", "prepare digits"}
    features = schemas.metadata(finished / "work" / RESULTS / "metrics/features/digits/vit_nano/0.parquet")
    assert {"train kmedoids", "train none", "train topk", "compare_features"} <= set(features["code"])
    assert (finished / "work" / RESULTS / "code.md").read_text().count(
        "Each stage was done by a single version of the code."
    ) == 1


def test_kept_results_of_other_code_are_named(finished: Path, tmp_path: Path) -> None:
    for name in ("work", "clone"):
        shutil.copytree(finished / name, tmp_path / name)
    shutil.copyfile(finished / "tiny.yaml", tmp_path / "tiny.yaml")
    old = schemas.metadata(tmp_path / "work" / RESULTS / "history/digits/vit_nano/kmedoids/0.50/0.parquet")
    loop = tmp_path / "clone/tokred/training/loop.py"
    loop.write_text(loop.read_text().replace("class Trainer:", "class Trainer:\n    changed = True\n"))
    checkpoint, score = f"{RESULTS}/checkpoints/{RUN}.safetensors", f"{RESULTS}/scores/{RUN}.parquet"
    for gone in (checkpoint, score):
        (tmp_path / "work" / gone).unlink()
    done = make(tmp_path, score, "--rerun-triggers", "mtime")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    study = tokred.load("tiny", root=tmp_path / "work/results")
    with pytest.warns(
        UserWarning, match=r"'scores' of .* mixes results of different code, train \(\w+: 2 tables, \w+: 1\)"
    ):
        assert len(study["scores"]) == 3
    with pytest.warns(UserWarning, match="'features' of"):
        assert not study["features"].empty
    assert len(study.table("scores", method="topk")) == 1  # of one code: no warning
    code = study.code()
    trained = code[(code["stage"] == "train") & code["file"].str.startswith("history/")]
    assert isinstance(trained, pd.DataFrame)
    by_method = trained.set_index("method")["fingerprint"]
    assert by_method["kmedoids"] == by_method["none"] == old["code"]["train"]
    assert by_method["topk"] != by_method["none"]
    page = (tmp_path / "work" / RESULTS / "code.md").read_text()
    assert "Mixed: some stages were done by several versions of the code: train (" in page
    assert f"scores/{RUN}" in page
