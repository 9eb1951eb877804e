"""The whole workflow through the real Snakemake: artifacts, reruns, single targets, mistakes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.explorer.studies import payload_of
from tests.study.studies import smoke as smoke_values
from tests.workflow.conftest import ROOT, Snakemake, overlay, planned
from tokred.artifacts.registry import ARTIFACTS
from tokred.run import RUN_COLUMNS
from tokred.settings import parse
from tokred.study.study import Study
from tokred.tables import registry, schemas

VIEW = parse(Study, smoke_values(), "smoke").view()
ON_REQUEST = [name for name, table in registry.TABLES.items() if table.on_request or table.measured]
FIGURES = [
    name
    for name, a in ARTIFACTS.items()
    if a.kind == "figure" and a.unavailable_reason(VIEW) is None and not set(a.needs) & set(ON_REQUEST)
]
TABLES = ["table1", "table7a"]
RUNS = 2 * 2 * (1 + 7 * 2)


def test_figures_show_something(smoke: Path) -> None:
    assert len(FIGURES) > 20
    for name in FIGURES:
        picture = np.asarray(Image.open(smoke / f"results/smoke/figures/{name}.png").convert("L"))
        assert (picture < 128).sum() > 500, name
        assert (smoke / f"results/smoke/figures/{name}.pdf").read_bytes().startswith(b"%PDF")


def test_tables_hold_every_score(smoke: Path) -> None:
    scores = schemas.read(sorted((smoke / "results/smoke/scores").rglob("*.parquet")), schemas.SCORES)
    assert len(scores) == RUNS
    assert scores["score"].between(0, 100).all()
    for name, backbone in zip(TABLES, ("vit_micro", "vit_nano"), strict=True):
        table = pd.read_csv(smoke / f"results/smoke/tables/{name}.csv", index_col=0)
        of_backbone = scores[(scores["backbone"] == backbone) & (scores["dataset"] == "digits")]
        expected = of_backbone.set_index(["method", "keep_rate"])["score"]
        assert table.loc["Top-K", "Digits 90%"] == round(expected["topk", "0.90"], 2)
        assert table.loc["Unreduced", "Digits 50%"] == round(expected["none", "1.00"], 2)
        assert table.notna().all(axis=None)


def test_explorer_has_every_run_on_one_page(smoke: Path) -> None:
    path = smoke / "results/smoke/explorer.html"
    assert 100_000 < path.stat().st_size < 10_000_000
    data = payload_of(path)
    assert len(data["runs"]) == len(data["scores"]) == RUNS
    assert [len(dataset["images"]) for dataset in data["datasets"]] == [36, 36]


def test_comparisons_have_rows_of_their_schema(smoke: Path) -> None:
    results = smoke / "results/smoke"
    for name, table in registry.TABLES.items():
        if not table.schema or name in ("published", "off_the_shelf", *ON_REQUEST):  # of other studies
            continue
        schema, folder = table.columns, results / table.folder
        files = [folder.with_suffix(".parquet")] if not folder.exists() else sorted(folder.rglob("*.parquet"))
        rows = schemas.read(files, schema)
        if name == "grid":
            assert rows.empty, "the study searches nothing"
            continue
        assert len(rows) > 0, name
        if schema.names[:5] != list(RUN_COLUMNS):
            continue  # of data sets or settings
        measured = {
            "mean",
            "std",
            "n",
            "bound",
            "chance",
            "degenerate",
            "dropped",
            "depth",
            "score",
            "std_error",
            "loss",
            "value",
        }
        assert not rows.duplicated([column for column in rows if column not in measured]).any(), name


def test_each_run_says_whose_it_is(smoke: Path) -> None:
    files = sorted((smoke / "results/smoke/patterns").rglob("*.parquet"))
    assert len(files) == RUNS
    for path in files:
        facts = schemas.metadata(path)
        parts = path.relative_to(smoke / "results/smoke/patterns").with_suffix("").parts
        assert [str(facts["run"][name]) for name in RUN_COLUMNS] == list(parts)
        first = pq.read_table(path).slice(0, 1).to_pylist()[0]
        assert [str(first[name]) for name in RUN_COLUMNS] == list(parts)


def test_log_and_history_can_be_read(smoke: Path) -> None:
    log = (smoke / "results/smoke/logs/train/digits/vit_nano/topk/0.50/0.log").read_text()
    assert re.search(r"epoch 1/1  loss \d+\.\d+ ", log)
    history = schemas.read(
        smoke / "results/smoke/history/digits/vit_nano/topk/0.50/0.parquet", schemas.HISTORY
    )
    assert history["epoch"].tolist() == [1]


def test_no_state_of_training_is_left(smoke: Path) -> None:
    assert list(smoke.rglob("*.state*")) == []
    assert list(smoke.rglob(".*.part*")) == []


def test_second_run_does_nothing(snakemake: Snakemake) -> None:
    done = snakemake()
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr


def test_one_figure_can_be_asked_for(smoke: Path, snakemake: Snakemake) -> None:
    target = "results/smoke/figures/figure4.pdf"
    before = (smoke / target).read_bytes()
    (smoke / target).unlink()
    done = snakemake(target)
    assert done.returncode == 0
    assert planned(done.stdout + done.stderr) == {"figure": 1}
    assert (smoke / target).read_bytes() == before


def test_one_option_reruns_what_depends_on_it(snakemake: Snakemake, tmp_path: Path) -> None:
    changed = overlay(
        tmp_path, "option", {"settings": {"methods": {"kmedoids": {"options": {"iterations": 2}}}}}
    )
    done = snakemake("--dry-run", configs=(changed,))
    jobs = planned(done.stdout + done.stderr)
    assert (jobs["train"], jobs["extract"]) == (8, 8)
    assert "prepare" not in jobs
    assert "pretrain" not in jobs
    trained = re.findall(r"output: results/smoke/checkpoints/\w+/\w+/(\w+)/", done.stdout + done.stderr)
    assert set(trained) == {"kmedoids"}


@pytest.mark.parametrize(
    ("changes", "runs"),
    [({"keep_rates": [0.5, 0.7, 0.9]}, 4 * 7), ({"methods": ["l1", "topk", "evit"]}, 4 * 2)],
)
def test_what_is_added_is_all_that_is_trained(
    changes: dict[str, list], runs: int, snakemake: Snakemake, tmp_path: Path
) -> None:
    done = snakemake("--dry-run", configs=(overlay(tmp_path, "added", changes),))
    jobs = planned(done.stdout + done.stderr)
    assert (jobs["train"], jobs["extract"]) == (runs, runs)
    assert "prepare" not in jobs


def test_wrong_key_is_one_clear_error(snakemake: Snakemake, tmp_path: Path) -> None:
    done = snakemake("--dry-run", configs=(overlay(tmp_path, "wrong", {"training": {"epoch": 3}}),))
    assert done.returncode == 1
    assert "training.epoch: unknown key (did you mean 'epochs'?)" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout


def test_artifact_that_makes_no_sense_says_why(snakemake: Snakemake, tmp_path: Path) -> None:
    config = overlay(tmp_path, "one", {"datasets": ["digits"]})
    done = snakemake("--dry-run", "results/smoke/figures/figure5.pdf", configs=(config,))
    assert done.returncode == 1
    assert "figure5 needs at least 2 datasets, the study has 1" in done.stderr + done.stdout
    everything = snakemake("--dry-run", configs=(config,))
    assert everything.returncode == 0
    assert "figure5" not in everything.stdout + everything.stderr


def test_run_outside_the_study_says_so(snakemake: Snakemake) -> None:
    done = snakemake("--dry-run", "results/smoke/scores/digits/vit_nano/tome/0.25/0.parquet")
    assert done.returncode == 1
    assert "study 'smoke' has no run digits/vit_nano/tome/0.25/0" in done.stderr + done.stdout


def test_every_rule_ran(smoke: Path) -> None:
    rules = {path.stem for path in (smoke / "results/smoke/logs").iterdir()}
    files = [path for path in ROOT.glob("rules/*.smk") if path.name != "search.smk"]  # see test_search.py
    declared = set(re.findall(r"^rule (\w+):", "\n".join(path.read_text() for path in files), re.M))
    tables = {table.rule for table in registry.TABLES.values()}
    on_request = {
        "benchmarks",
        "published_scores",
        "list_off_the_shelf",
        "scale",
        "efficiency",
    }  # of others, or not of `all`
    on_request |= {registry.TABLES[name].rule for name in ON_REQUEST}  # see test_robustness.py
    assert rules == (declared | tables) - on_request
