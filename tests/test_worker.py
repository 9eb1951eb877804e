"""The worker: a job runs in a fork of it, fails as loudly as in place, and ends with its own process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tokred import worker

ROOT = Path(__file__).parents[1]
#: Stands for a workflow: starts a worker, prints its address, and stays.
WORKFLOW = "import os, sys; from tokred import worker; worker.start(); print(os.environ[worker.VARIABLE]); "
WORKFLOW += "sys.stdout.flush(); sys.stdin.read()"
JOB = "import json, sys; from tokred.worker import run_job; run_job(**json.loads(sys.argv[1]))"


def environment(address: str | None) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != worker.VARIABLE}
    extra = {} if address is None else {worker.VARIABLE: address}
    return {**inherited, **extra, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def workflow() -> Iterator[subprocess.Popen]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", WORKFLOW], env=environment(None), **pipes) as process:
        yield process


@pytest.fixture(scope="module")
def address(workflow: subprocess.Popen) -> str:
    return workflow.stdout.readline().strip()


def job(
    address: str | None, target: str, tmp_path: Path, threads: int = 2, **arguments: str
) -> subprocess.Popen:
    request = {"target": f"tests.worker_targets:{target}", "arguments": arguments, "threads": threads}
    request["log"] = str(tmp_path / "logs" / "job.log")
    command = [sys.executable, "-c", JOB, json.dumps(request)]
    return subprocess.Popen(command, env=environment(address), stderr=subprocess.PIPE, text=True)


def wait_for(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def alive(pid: int) -> bool:
    """Whether a process exists and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_job_runs_in_a_fork(address: str, tmp_path: Path) -> None:
    reports = []
    for name in ("a", "b"):
        process = job(address, "report", tmp_path, path=str(tmp_path / name))
        process.communicate(timeout=90)
        assert process.returncode == 0
        reports.append(json.loads((tmp_path / name).read_text()))
    worker_pid = int(address.split(":")[1])
    assert [report["parent"] for report in reports] == [worker_pid, worker_pid]
    assert reports[0]["pid"] != reports[1]["pid"]
    assert reports[0]["threads"] == 2
    assert "INFO reporting" in (tmp_path / "logs" / "job.log").read_text()


@pytest.mark.parametrize("threads", [1, 2])
def test_job_in_place_has_its_threads(threads: int, tmp_path: Path) -> None:
    process = job(None, "report", tmp_path, threads, path=str(tmp_path / "report"))
    process.communicate(timeout=90)
    assert process.returncode == 0
    assert json.loads((tmp_path / "report").read_text())["threads"] == threads


@pytest.mark.parametrize("with_worker", [True, False])
def test_failure_is_told_once_and_logged_in_full(with_worker: bool, address: str, tmp_path: Path) -> None:
    process = job(address if with_worker else None, "fail", tmp_path, reason="no such thing")
    _, printed = process.communicate(timeout=90)
    assert process.returncode == 1
    assert printed == "tests.worker_targets:fail: ValueError: no such thing\n"
    log = (tmp_path / "logs" / "job.log").read_text()
    assert "Traceback" in log
    assert "no such thing" in log


def test_work_ends_with_the_job_that_asked_for_it(address: str, tmp_path: Path) -> None:
    process = job(address, "hang", tmp_path, path=str(tmp_path / "pid"))
    assert wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
    pid = int((tmp_path / "pid").read_text())
    assert alive(pid)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert wait_for(lambda: not alive(pid)), "the work went on without its job"
    again = job(address, "report", tmp_path, path=str(tmp_path / "after"))
    again.communicate(timeout=90)
    assert again.returncode == 0, "the worker did not survive"


def test_worker_of_another_python_is_not_used(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    _, pid, path = address.split(":")
    monkeypatch.setenv(worker.VARIABLE, f"/another/python:{pid}:{path}")
    assert worker._connect() is None


def test_worker_that_is_gone_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    monkeypatch.setenv(worker.VARIABLE, f"{sys.executable}:{ended.pid}:{tmp_path / 'socket'}")
    assert worker._connect() is None


def test_worker_ends_with_the_workflow(workflow: subprocess.Popen, address: str) -> None:
    """The last test of the module: the workflow dies without a word."""
    _, pid, path = address.split(":")
    assert alive(int(pid))
    workflow.kill()
    workflow.wait()
    assert wait_for(lambda: not alive(int(pid)))
    assert not Path(path).parent.exists()


def test_load_imports_and_leaves_the_collector_as_it_was() -> None:
    code = "import gc, sys; from tokred import worker; {}; worker.load('tokred.run', 'tokred.names'); "
    code += "assert {{'tokred.run', 'tokred.names'}} <= set(sys.modules); assert gc.get_freeze_count() > 0; "
    code += "sys.exit(gc.isenabled())"
    for before, enabled in (("gc.enable()", 1), ("gc.disable()", 0)):
        call = [sys.executable, "-c", code.format(before)]
        assert subprocess.run(call, env=environment(None), check=False).returncode == enabled


def test_load_leaves_the_collector_as_it_was_after_an_error() -> None:
    code = "import gc, sys; from tokred import worker\n"
    code += "try: worker.load('tokred.nothing')\nexcept ModuleNotFoundError: sys.exit(10 + gc.isenabled())"
    assert subprocess.run([sys.executable, "-c", code], env=environment(None), check=False).returncode == 11


def test_a_training_loads_neither_pandas_nor_studies() -> None:
    code = "import sys, tokred.training.job, tokred.evaluation.job; "
    code += "sys.exit(bool({'pandas', 'tokred.config.study'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], env=environment(None), check=True)
