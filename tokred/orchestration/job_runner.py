"""Run a job's function, in a process that has the slow libraries loaded already where there is one.

Importing torch and timm takes longer than many of the built-in study's jobs. While the workflow runs on one
machine, a *worker* (`tokred.orchestration.fork_server`) imports them once; a job asks it to fork, and the
copy runs the job's function. Each job is still a process of its own with its own outputs and log; it dies
with the job's own process, and the worker dies with the workflow's. Without a worker (clusters, conda
environments), and where anything is wrong with it, the job's own process runs the function.
"""

from __future__ import annotations

import gc
import importlib
import json
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NotRequired, TypedDict

if TYPE_CHECKING:
    from subprocess import Popen

#: Environment variable with the worker's address: "<python>:<process id>:<socket>".
VARIABLE = "TOKRED_WORKER"
#: Environment variable with the process id of the workflow that has started the worker.
WORKFLOW_VARIABLE = "TOKRED_WORKFLOW"
#: Environment variable with the study's hardware (`tokred.study.Hardware`) as JSON.
HARDWARE = "TOKRED_HARDWARE"
#: One thread a job, as Snakemake tells libraries.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
#: Seconds that a job waits for the worker to take it: the worker may still be loading its libraries.
PATIENCE = 60.0


class Request(TypedDict):
    """A job, as JSON has it: the arguments of `run_job`, and for the worker the folder to run it in."""

    target: str
    arguments: Mapping[str, Any]
    log: str
    threads: int
    folder: NotRequired[str]


class NoWorkerError(Exception):
    """The job cannot run in the worker; the message says why."""


def run_job(target: str, arguments: Mapping[str, object], log: str | Path, threads: int) -> None:
    """Call `module:function` with JSON-like arguments; exits with a nonzero status where it fails.

    Args:
        target: what to call.
        arguments: its keyword arguments.
        log: file that gets the job's log messages, and the traceback of an error.
        threads: threads that the job may use.
    """
    request: Request = {"target": target, "arguments": arguments, "log": str(log), "threads": threads}
    address = os.environ.get(VARIABLE)
    try:
        status = execute(request) if address is None else _delegate(address, request)
    except NoWorkerError as reason:
        if _workflow_is_gone():
            sys.exit(f"{target}: the workflow has ended")
        status = execute(request, note=f"not in the worker ({reason}): this job loads its libraries itself")
    if status:
        sys.exit(status)


def start(python: str = sys.executable) -> Popen[bytes] | None:
    """Start a worker in the background and tell this process's children about it; returns the worker.

    Where there can be none, this says so on stderr and returns None. Only on Linux: elsewhere a process that
    has loaded such libraries cannot be relied on to fork.
    """
    if sys.platform != "linux":
        return None
    try:
        listener, address = _listen()
        with listener:
            process = _serve(python, listener, address)
    except OSError as error:
        print(f"tokred: no worker ({error}): each job loads its libraries itself", file=sys.stderr)
        return None
    os.environ[VARIABLE] = f"{python}:{process.pid}:{address}"
    os.environ[WORKFLOW_VARIABLE] = str(os.getpid())
    return process


def _workflow_is_gone() -> bool:
    """Whether the worker ended because the workflow did, for which nobody needs to work any more."""
    try:
        os.kill(int(os.environ.get(WORKFLOW_VARIABLE, os.getpid())), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _listen() -> tuple[socket.socket, str]:
    """A listening socket, and its path in a new folder that other users cannot enter.

    Raises:
        OSError: there is no place for one: such paths have at most 107 bytes, and not every file system
            has sockets.
    """
    for parent in (tempfile.gettempdir(), "/tmp"):
        folder = tempfile.mkdtemp(prefix="tokred-", dir=parent)
        listener, address = socket.socket(socket.AF_UNIX), f"{folder}/socket"
        try:
            listener.bind(address)
            listener.listen(64)
            return listener, address
        except OSError as error:
            listener.close()
            shutil.rmtree(folder)
            refused = OSError(f"{address}: {error}")
    raise refused


def _serve(python: str, listener: socket.socket, address: str) -> Popen[bytes]:
    """Start the process that serves on a socket."""
    import subprocess

    # -P: modules of the working folder must not stand in for the libraries.
    command = [
        python,
        "-P",
        "-m",
        "tokred.orchestration.fork_server",
        str(listener.fileno()),
        address,
        str(os.getpid()),
    ]
    return subprocess.Popen(
        command,
        env={**os.environ, **ONE_THREAD},
        stdin=subprocess.DEVNULL,
        pass_fds=[listener.fileno()],
        # A session of its own: an interrupt from the keyboard is for the workflow, which ends the worker.
        start_new_session=True,
    )


def import_frozen(*modules: str) -> None:
    """Import modules with the cyclic garbage collector off, which would take a seventh of the time.

    Then `gc.freeze()`: collections leave the imported objects alone, so that forked children go on sharing
    their memory pages.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        for module in modules:
            importlib.import_module(module)
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def _delegate(worker: str, request: Request) -> int:
    """Have the worker run the request on this process's terminal; returns its exit status.

    Args:
        worker: value of the environment variable.

    Raises:
        NoWorkerError: nothing of the request has been run, or what ran has been ended.
    """
    prefix = f"{sys.executable}:"
    if not worker.startswith(prefix):
        raise NoWorkerError(f"it is of another Python: {worker}")
    _, _, address = worker.removeprefix(prefix).partition(":")
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rb") as answers:
        job = _hand_over(request, address, connection, answers)
        connection.settimeout(None)
        status = answers.readline()
    if not status:
        with suppress(ProcessLookupError):
            os.killpg(job, signal.SIGKILL)
        raise NoWorkerError("it ended before the job did")
    if int(status) < 0:
        print(f"{request['target']}: {signal.strsignal(-int(status))}", file=sys.stderr, flush=True)
    return abs(int(status))


def _hand_over(request: Request, address: str, connection: socket.socket, answers: IO[bytes]) -> int:
    """Send the worker a request; returns the process group that runs it."""
    message = json.dumps({**request, "folder": os.getcwd()}).encode()
    connection.settimeout(PATIENCE)
    try:
        if os.stat(address).st_uid != os.getuid():
            raise NoWorkerError(f"{address} is another user's")
        connection.connect(address)
        if not answers.readline():  # "ready": until then the worker may be loading, and holds nothing of ours
            raise NoWorkerError("it ended before it took the job")
        socket.send_fds(connection, [len(message).to_bytes(8)], [1, 2])
        connection.sendall(message)
        started = answers.readline()
    except TimeoutError:
        with suppress(OSError):
            os.unlink(address)  # no other job shall wait for it; the worker ends when it sees that
        raise NoWorkerError(f"{address}: no answer in {PATIENCE:g} s") from None
    except OSError as error:
        raise NoWorkerError(f"{address}: {error}") from None
    if not started:
        raise NoWorkerError("it could not take the job")
    return int(started.removeprefix(b"started "))


def execute(request: Request, note: str | None = None) -> int:
    """Run a request in this process; errors go to the log in full and to stderr in one line.

    Args:
        request: the arguments of `run_job`.
        note: first line of the log.
    """
    log = Path(request["log"])
    log.parent.mkdir(parents=True, exist_ok=True)
    module, _, name = request["target"].partition(":")
    with _logging_to(log):
        if note is not None:
            logging.getLogger(__name__).warning("%s", note)
        try:
            import_frozen(module)
            if "torch" in sys.modules:
                sys.modules["torch"].set_num_threads(request["threads"])
            getattr(sys.modules[module], name)(**request["arguments"])
        except Exception as error:
            logging.getLogger(__name__).error("%s", traceback.format_exc())
            print(f"{request['target']}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            return 1
    return 0


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
