"""What a dry run says before anything is submitted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.typical import slow_rows_after_first
from tests.workflow.conftest import call

STUDY = {
    "study": "planned",
    "datasets": ["digits"],
    "backbones": ["vit_nano"],
    "methods": ["topk"],
    "keep_rates": [0.5],
}


def plan(folder: Path, *targets: str, **changes: object) -> str:
    """What a dry run of a study that has not run yet prints."""
    config = folder / "planned.yaml"
    config.write_text(yaml.safe_dump({**STUDY, **changes}))
    done = call(folder, "--dry-run", *targets, "--configfile", str(config))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.mark.parametrize(("environment", "gpus"), slow_rows_after_first([("cpu", "0"), ("gpu", "1")]))
def test_trainings_are_planned_with_the_gpus_a_cluster_grants(
    tmp_path: Path, environment: str, gpus: str
) -> None:
    printed = plan(tmp_path, environment=environment)
    trainings = re.findall(r"rule (?:train|extract):.*?\n *resources: ([^\n]*)", printed, re.S)
    assert len(trainings) == 4
    assert {re.search(r"\bgpu=(\d+)", resources).group(1) for resources in trainings} == {gpus}


def test_planning_groups_nothing(tmp_path: Path) -> None:
    # Snakemake's search for jobs that are ready is quadratic in a group: half of a large study's dry run.
    # Of a group, rules are printed indented.
    assert set(re.findall(r"^( *)rule (?:compare_methods|summarize|figure):", plan(tmp_path), re.M)) == {""}


def test_a_limit_below_a_trainings_nodes_is_an_error(tmp_path: Path) -> None:
    config = tmp_path / "planned.yaml"
    config.write_text(yaml.safe_dump({**STUDY, "hardware": {"nodes": 2}}))
    limited = call(tmp_path, "--dry-run", "--configfile", str(config), "--resources", "nodes=1")
    assert limited.returncode == 1
    assert "pass --resources short_jobs=4 nodes=2" in limited.stdout + limited.stderr
