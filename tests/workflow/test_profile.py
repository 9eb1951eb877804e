"""The default profile is loaded in every working folder, with its options; no process outlives Snakemake."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.data import trees
from tests.typical import slow_after_first
from tests.workflow.conftest import ROOT, overlay

SNAKEMAKE = [sys.executable, "-m", "snakemake"]
LOADED = "Using workflow specific profile {} for setting default command line arguments."
TINY = {"adapter": "digits", "options": {"num_train": 32, "num_test": 16}}
#: The working folder, the option for the Snakefile there, and the profile's path in the output.
PLACES = {
    "checkout": (ROOT, [], "profiles/default"),
    "elsewhere": (None, ["--snakefile", str(ROOT / "Snakefile")], str(ROOT / "profiles/default")),
}


@pytest.fixture(params=slow_after_first(PLACES))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, list[str], str]:
    """Working folder, options and the profile's path; results are always below `tmp_path`."""
    folder, options, profile = PLACES[request.param]
    return folder or tmp_path, [*options, "--directory", str(tmp_path), "--cores", "1"], profile


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TOKRED_")}


def study(folder: Path) -> list[str]:
    """Options of a study with a data set that cannot be prepared."""
    trees.class_folders(folder / "broken/training", {"cat": ["1.jpg"]})
    broken = {"adapter": "image_folder", "options": {"root": str(folder / "broken")}}
    values = {"study": "mine", "settings": {"datasets": {"broken": broken, "digits": TINY}}}
    return ["--configfile", overlay(folder, "mine", values)]


def test_profile_is_loaded_and_works(tmp_path: Path, place: tuple[Path, list[str], str]) -> None:
    folder, options, profile = place
    tables = ["broken/train", "digits/train", "digits/test"]
    targets = [f"results/mine/datasets/{name}.parquet" for name in tables]
    done = subprocess.run(
        [*SNAKEMAKE, *options, *targets, *study(tmp_path)],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 1
    printed = done.stdout + done.stderr
    assert LOADED.format(profile) in printed
    # keep-going
    assert [(tmp_path / target).exists() for target in targets] == [False, True, True]
    assert "2 of 3 steps" in printed
    # show-failed-logs
    assert "Logfile results/mine/logs/prepare/broken/train.log:" in printed
    assert "Traceback (most recent call last)" in printed


def test_every_option_of_the_profile_is_set(place: tuple[Path, list[str], str]) -> None:
    folder, options, _ = place
    code = "import json, sys; from snakemake.cli import parse_args; _, found = parse_args(sys.argv[1:]); "
    # Triggers are an enumeration's.
    code += "print(json.dumps(vars(found), default=lambda value: repr(value).lower()))"
    command = [sys.executable, "-c", code, *options]
    printed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    found = yaml.safe_load(printed)
    wanted = yaml.safe_load((ROOT / "profiles/default/config.yaml").read_text())
    assert set(wanted) >= {
        "scheduler",
        "keep-going",
        "rerun-incomplete",
        "show-failed-logs",
        "rerun-triggers",
    }
    wanted["max-checksum-file-size"] = 10_000_000  # Snakemake's own reading of 10MB
    for option, value in wanted.items():
        used = found[option.replace("-", "_")]
        if isinstance(value, list):
            assert used.count("rerun") == len(value)
            assert all(f".{name}:" in used for name in value), option
        else:
            assert used == value, option
    assert found["scheduler"] == "greedy"


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def processes_of(*words: str) -> list[int]:
    """Processes whose command line has all the words as arguments or parts of them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_text(errors="replace")
        except OSError:  # it has ended
            continue
        if line and all(word in line for word in words):
            found.append(int(path.parent.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="Linux tells command lines")
def test_killed_snakemake_leaves_no_process_and_incomplete_files_are_made_again(tmp_path: Path) -> None:
    target = "results/mine/datasets/digits/train.parquet"
    options = [
        *PLACES["elsewhere"][1],
        "--directory",
        str(tmp_path),
        "--cores",
        "1",
        target,
        *study(tmp_path),
    ]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*SNAKEMAKE, *options], cwd=tmp_path, env=environment(), **silent) as process:
        marks = tmp_path / ".snakemake/incomplete"
        assert wait_for(lambda: marks.exists() and any(marks.iterdir()))
        assert processes_of("tokred.orchestration.fork_server", str(process.pid))
        process.send_signal(signal.SIGKILL)
    assert wait_for(lambda: not processes_of("tokred.orchestration.fork_server", str(process.pid)))
    assert wait_for(lambda: not processes_of(str(tmp_path))), "the job went on without its Snakemake"
    assert not (tmp_path / target).exists()
    subprocess.run([*SNAKEMAKE, *options, "--unlock"], cwd=tmp_path, capture_output=True, check=True)
    again = subprocess.run(
        [*SNAKEMAKE, *options], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert again.returncode == 0, again.stderr
    assert (tmp_path / target).exists()
