"""The worker: a job runs in a fork of it, fails as loudly as in place, and ends with its own process.

Whatever is wrong with the worker, the job's own process runs the job, and its log says so in one line.
"""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tokred.orchestration import fork_server, job_runner

ROOT = Path(__file__).parents[2]
#: Stands for a workflow: starts a worker, prints its address, and stays.
WORKFLOW = "import os, sys; from tokred.orchestration import job_runner; job_runner.start(); "
WORKFLOW += "os.write(1, os.environb[job_runner.VARIABLE.encode()] + b'\\n'); sys.stdin.read()"
#: What Snakemake's script of a job does, with less patience.
JOB = "import json, sys; from tokred.orchestration import job_runner; "
JOB += "job_runner.WORKER_TIMEOUT = float(sys.argv[2]); "
JOB += "job_runner.run_job(**json.loads(sys.argv[1]))"


def environment(address: str | None) -> dict[str, str]:
    """Variables of a job's process; the address may end with "@<process id of the workflow>"."""
    ours = (job_runner.VARIABLE, job_runner.WORKFLOW_VARIABLE)
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    where, _, workflow = (address or "").partition("@")
    extra = {name: value for name, value in zip(ours, (where, workflow), strict=True) if value}
    return {**inherited, **extra, "PYTHONPATH": str(ROOT)}


@contextmanager
def running(**variables: str) -> Iterator[subprocess.Popen]:
    """A process that has started a worker and stays, as Snakemake does."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    pipes |= {"encoding": "utf-8", "errors": "surrogateescape"}
    around = {**environment(None), **variables}
    with subprocess.Popen([sys.executable, "-c", WORKFLOW], env=around, **pipes) as process:
        yield process
        process.kill()


@pytest.fixture(scope="module")
def workflow() -> Iterator[subprocess.Popen]:
    with running() as process:
        yield process


@pytest.fixture
def patched(tmp_path: Path) -> Callable[[str], str]:
    """Has Python run some code at its start, for all processes with the returned PYTHONPATH."""

    def patch(code: str) -> str:
        folder = tmp_path / "site"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(code)
        return os.pathsep.join([str(folder), str(ROOT)])

    return patch


@pytest.fixture(scope="module")
def address(workflow: subprocess.Popen) -> str:
    return workflow.stdout.readline().strip()


def job(
    address: str | None,
    target: str,
    tmp_path: Path,
    threads: int = 2,
    patience: float = 60,
    **arguments: str,
) -> subprocess.Popen:
    module = "worker_targets" if target in ("report", "fail") else "light_targets"
    request = {"target": f"tests.orchestration.{module}:{target}", "arguments": arguments, "threads": threads}
    request["log"] = str(tmp_path / "logs" / "job.log")
    command = [sys.executable, "-c", JOB, json.dumps(request), str(patience)]
    return subprocess.Popen(command, env=environment(address), stderr=subprocess.PIPE, text=True)


def parent_of_job(address: str, tmp_path: Path, patience: float = 60) -> int:
    """Run a job that must end well and print nothing; returns the process id of its process's parent."""
    process = job(address, "tell_parent", tmp_path, patience=patience, path=str(tmp_path / "parent"))
    _, printed = process.communicate(timeout=90)
    assert (process.returncode, printed) == (0, "")
    return int((tmp_path / "parent").read_text())


def runs_by_itself(address: str, tmp_path: Path, reason: str, patience: float = 60) -> None:
    """A job ends well without the worker, and its log says in one line why."""
    assert parent_of_job(address, tmp_path, patience) == os.getpid()
    log = (tmp_path / "logs" / "job.log").read_text().splitlines()
    warnings = [line for line in log if "worker" in line]
    assert len(warnings) == 1
    assert "WARNING no worker" in warnings[0]
    assert reason in warnings[0]
    assert "INFO telling" in log[-1]


def connect(address: str) -> socket.socket:
    """A client's connection to the worker."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(60)
    connection.connect(address.split(":", 2)[2])
    return connection


def seconds_of_processor(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


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
    except (FileNotFoundError, ProcessLookupError):  # the latter where it ends while it is read
        return False


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_job_in_place_has_its_threads(threads: int, tmp_path: Path) -> None:
    process = job(None, "report", tmp_path, threads, path=str(tmp_path / "report"))
    process.communicate(timeout=90)
    assert process.returncode == 0
    assert json.loads((tmp_path / "report").read_text())["threads"] == threads


@pytest.mark.slow
@pytest.mark.parametrize("with_worker", [True, False])
def test_failure_is_warnings_once_and_logged_in_full(with_worker: bool, address: str, tmp_path: Path) -> None:
    process = job(address if with_worker else None, "fail", tmp_path, reason="no such thing")
    _, printed = process.communicate(timeout=90)
    assert process.returncode == 1
    assert printed == "tests.orchestration.worker_targets:fail: ValueError: no such thing\n"
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


@pytest.mark.slow
def test_what_one_client_does_holds_up_no_other(address: str, tmp_path: Path) -> None:
    half = (500_000).to_bytes(8) + b"x" * 1000
    messages = [b"", half, (9).to_bytes(8) + b"not JSON.", (1 << 60).to_bytes(8) + b"x" * 1000]
    worker_pid = int(address.split(":")[1])
    assert parent_of_job(address, tmp_path) == worker_pid  # it has loaded its libraries
    with ExitStack() as stack:
        silent = [stack.enter_context(connect(address)) for _ in messages]
        for client, message in zip(silent, messages, strict=True):
            if message:
                socket.send_fds(client, [message], [1, 2])
        with connect(address) as dying:
            socket.send_fds(dying, [half], [1, 2])
        began = time.monotonic()
        assert parent_of_job(address, tmp_path) == worker_pid
        assert time.monotonic() - began < fork_server.REQUEST_TIMEOUT
        used = seconds_of_processor(worker_pid)
        time.sleep(1)
        assert seconds_of_processor(worker_pid) - used < 0.2
        for client in silent:
            answered = client.makefile().read()
            assert answered == "ready\n", "a connection that asks for nothing is closed"


def test_killed_job_fails_with_the_signals_name(address: str, tmp_path: Path) -> None:
    process = job(address, "hang", tmp_path, path=str(tmp_path / "pid"))
    assert wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)  # as a system without memory does
    _, printed = process.communicate(timeout=90)
    assert process.returncode == signal.SIGKILL
    assert printed == "tests.orchestration.light_targets:hang: Killed\n"


@pytest.mark.slow
def test_work_without_a_worker(address: str, tmp_path: Path) -> None:
    python, pid, _ = address.split(":")
    stale = tmp_path / "stale"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(stale))
    runs_by_itself(f"/another/python:{pid}:{stale}", tmp_path, "it runs another Python: /another/python")
    runs_by_itself(f"{python}:{pid}:{tmp_path}/nothing", tmp_path, "No such file")
    runs_by_itself(f"{python}:{pid}:{stale}", tmp_path, "Connection refused")
    runs_by_itself(f"{python}:{pid}:{tmp_path}/{'x' * 120}", tmp_path, "No such file")
    runs_by_itself("nonsense", tmp_path, "nonsense")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to another user")
def test_worker_of_another_user_is_not_used(address: str, tmp_path: Path) -> None:
    path = address.split(":")[2]
    os.chown(path, 12345, 12345)
    try:
        runs_by_itself(address, tmp_path, f"{path} belongs to another user")
    finally:
        os.chown(path, 0, 0)


@pytest.mark.slow
def test_worker_that_cannot_fork(patched: Callable[[str], str], tmp_path: Path) -> None:
    code = (
        "import os\ndef fork(): raise BlockingIOError(11, 'Resource temporarily unavailable')\nos.fork = fork"
    )
    with running(PYTHONPATH=patched(code)) as workflow:
        runs_by_itself(workflow.stdout.readline().strip(), tmp_path, "it could not start the job")


@pytest.mark.slow
def test_worker_that_cannot_load_its_libraries(patched: Callable[[str], str], tmp_path: Path) -> None:
    code = "import sys\nif '-P' in sys.orig_argv: sys.modules['timm'] = None"
    with running(PYTHONPATH=patched(code)) as workflow:
        runs_by_itself(workflow.stdout.readline().strip(), tmp_path, "worker")
        workflow.kill()
        warnings = workflow.stderr.read().splitlines()
        assert len(warnings) == 1
        assert re.match(r"tokred: no worker \(.*\btimm\b", warnings[0])


@pytest.mark.slow
def test_worker_that_answers_nothing_is_waited_for_once(tmp_path: Path) -> None:
    with running() as workflow:
        address = workflow.stdout.readline().strip()
        pid = int(address.split(":")[1])
        os.kill(pid, signal.SIGSTOP)
        runs_by_itself(address, tmp_path, "no answer in 1 s", patience=1)
        runs_by_itself(address, tmp_path, "No such file")
        os.kill(pid, signal.SIGCONT)
        assert wait_for(lambda: not alive(pid)), "nobody can reach the worker any more"


@pytest.mark.slow
def test_worker_that_dies_with_a_job(tmp_path: Path) -> None:
    with running() as workflow:
        address = workflow.stdout.readline().strip()
        process = job(address, "hang_once", tmp_path, path=str(tmp_path / "pid"))
        assert wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
        first = int((tmp_path / "pid").read_text())
        os.kill(int(address.split(":")[1]), signal.SIGKILL)
        _, printed = process.communicate(timeout=90)
        assert (process.returncode, printed) == (0, "")
        assert wait_for(lambda: not alive(first))
        assert int((tmp_path / "pid.again").read_text()) == process.pid
        assert "no worker (it ended before the job did)" in (tmp_path / "logs/job.log").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["x" * 120, "a:b", "with space", "caf\udce9", "a file"])
def test_odd_temporary_folders(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    if name == "a file":
        folder.write_text("")
    else:
        folder.mkdir()
    with running(TMPDIR=str(folder)) as workflow:
        address = workflow.stdout.readline().removesuffix("\n")
        assert parent_of_job(address, tmp_path) == int(address.split(":")[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import socket\nclass S(socket.socket):\n def bind(self, a): raise OSError(1, 'Not permitted')\n"
         "socket.socket = S", "Not permitted"),
        ("import tempfile\ndef mkdtemp(**k): raise OSError(30, 'Read-only file system')\n"
         "tempfile.mkdtemp = mkdtemp", "Read-only file system"),
    ],
    ids=["no sockets", "nowhere to write"],
)  # fmt: skip
def test_no_worker_where_there_can_be_none(code: str, reason: str, patched: Callable[[str], str]) -> None:
    script = "import os; from tokred.orchestration import job_runner; "
    script += "print(job_runner.start(), job_runner.VARIABLE in os.environ)"
    around = {**environment(None), "PYTHONPATH": patched(code)}
    done = subprocess.run([sys.executable, "-c", script], env=around, capture_output=True, text=True)
    assert done.stdout == "None False\n"
    (line,) = done.stderr.splitlines()
    assert line.startswith("tokred: no worker (")
    assert reason in line


@pytest.mark.slow
def test_modules_of_the_working_folder_are_not_the_workers(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise RuntimeError('not this one')")
    script = f"import os; os.chdir({str(tmp_path)!r}); {WORKFLOW}"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", script], env=environment(None), **pipes) as workflow:
        address = workflow.stdout.readline().strip()
        assert parent_of_job(address, tmp_path) == int(address.split(":")[1])
        workflow.kill()


@pytest.mark.slow
def test_worker_without_process_descriptors(patched: Callable[[str], str], tmp_path: Path) -> None:
    """An old kernel under a Python that knows them."""
    code = "import os\ndef pidfd_open(pid, flags=0): raise OSError(38, 'Function not implemented')\n"
    with running(PYTHONPATH=patched(code + "os.pidfd_open = pidfd_open")) as workflow:
        address = workflow.stdout.readline().strip()
        assert parent_of_job(address, tmp_path) == int(address.split(":")[1])


@pytest.mark.slow
def test_worker_of_a_workflow_that_dies_at_once(tmp_path: Path) -> None:
    with running() as workflow:
        address = workflow.stdout.readline().strip()
        pid = int(address.split(":")[1])
        process = job(f"{address}@{workflow.pid}", "tell_parent", tmp_path, path=str(tmp_path / "parent"))
        workflow.kill()
        workflow.wait()
        assert alive(pid), "it is loading its libraries"
        _, printed = process.communicate(timeout=90)
        assert (process.returncode, printed) == (
            1,
            "tests.orchestration.light_targets:tell_parent: the workflow has ended\n",
        )
        assert not (tmp_path / "parent").exists()
        assert wait_for(lambda: not alive(pid))
        assert not Path(address.split(":")[2]).parent.exists()


@pytest.mark.slow
def test_worker_ends_with_the_workflow(workflow: subprocess.Popen, address: str) -> None:
    """The last test of the module: the workflow dies without a word."""
    _, pid, path = address.split(":")
    assert alive(int(pid))
    workflow.kill()
    workflow.wait()
    assert wait_for(lambda: not alive(int(pid)))
    assert not Path(path).parent.exists()


def test_load_imports_and_leaves_the_collector_as_it_was() -> None:
    code = "import gc, sys; from tokred.orchestration import job_runner; {}; "
    code += "job_runner.import_frozen('tokred.run', 'tokred.names'); "
    code += "assert {{'tokred.run', 'tokred.names'}} <= set(sys.modules); "
    code += "assert gc.get_freeze_count() > 0; "
    code += "sys.exit(gc.isenabled())"
    for before, enabled in (("gc.enable()", 1), ("gc.disable()", 0)):
        call = [sys.executable, "-c", code.format(before)]
        assert subprocess.run(call, env=environment(None), check=False).returncode == enabled


def test_imported_modules_are_frozen() -> None:
    job_runner.import_frozen("tokred.names")
    try:
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_load_leaves_the_collector_as_it_was_after_an_error() -> None:
    code = "import gc, sys; from tokred.orchestration import job_runner\n"
    code += "try: job_runner.import_frozen('tokred.nothing')\n"
    code += "except ModuleNotFoundError: sys.exit(10 + gc.isenabled())"
    assert subprocess.run([sys.executable, "-c", code], env=environment(None), check=False).returncode == 11


@pytest.mark.slow
def test_a_training_loads_neither_pandas_nor_studies() -> None:
    code = "import sys, tokred.training.job, tokred.evaluation.job; "
    code += "sys.exit(bool({'pandas', 'tokred.study.study'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], env=environment(None), check=True)
