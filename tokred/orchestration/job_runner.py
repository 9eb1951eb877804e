"""Run a job's function, if possible in a fork of a process that has already imported the slow libraries.

Importing torch and timm takes longer than many jobs of the built-in study. While the workflow runs on one
machine, a *worker* (`tokred.orchestration.fork_server`) imports them once. Each job asks the worker to fork,
and the child process runs the job's function, with outputs and log of its own. The child ends with the
job's process, and the worker ends with the workflow. Without a worker (on clusters, in conda environments),
or if it fails, the job's own process runs the function.
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
#: One thread per job, as Snakemake sets it for jobs.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
#: Seconds that a job waits for the worker, which may still be importing libraries.
WORKER_TIMEOUT = 60.0


class Request(TypedDict):
    """A job as JSON: the arguments of `run_job`, and the working folder for the worker."""

    target: str
    arguments: Mapping[str, Any]
    log: str
    threads: int
    folder: NotRequired[str]


class NoWorkerError(Exception):
    """The job cannot run in the worker; the message gives the reason."""


def run_job(target: str, arguments: Mapping[str, object], log: str | Path, threads: int) -> None:
    """Call a function with JSON-like arguments; exits with a nonzero status if it fails.

    Args:
        target: "module:function".
        arguments: its keyword arguments.
        log: file for the job's log messages and the traceback of an error.
        threads: threads that the job may use.
    """
    request: Request = {"target": target, "arguments": arguments, "log": str(log), "threads": threads}
    address = os.environ.get(VARIABLE)
    try:
        status = execute(request) if address is None else _delegate(address, request)
    except NoWorkerError as reason:
        if _workflow_is_gone():
            sys.exit(f"{target}: the workflow has ended")
        status = execute(request, note=f"no worker ({reason}): this job imports its libraries itself")
    if status:
        sys.exit(status)


def start(python: str = sys.executable) -> Popen[bytes] | None:
    """Start a worker in the background, and pass its address to child processes in the environment.

    Returns:
        The worker's process; None, with a message on stderr, if it cannot start. None on other systems than
        Linux, where forking is not reliable once such libraries are loaded.
    """
    if sys.platform != "linux":
        return None
    try:
        listener, address = _listen()
        with listener:
            process = _serve(python, listener, address)
    except OSError as error:
        print(f"tokred: no worker ({error}): each job imports its libraries itself", file=sys.stderr)
        return None
    os.environ[VARIABLE] = f"{python}:{process.pid}:{address}"
    os.environ[WORKFLOW_VARIABLE] = str(os.getpid())
    return process


def _workflow_is_gone() -> bool:
    """Whether the workflow has ended, and with it the worker: then the job must not run any more."""
    try:
        os.kill(int(os.environ.get(WORKFLOW_VARIABLE, os.getpid())), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _listen() -> tuple[socket.socket, str]:
    """A listening Unix socket, and its path in a new folder without access for other users.

    Raises:
        OSError: no socket could be made. Paths have at most 107 bytes, and not all file systems support
            sockets.
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
            failure = OSError(f"{address}: {error}")
    raise failure


def _serve(python: str, listener: socket.socket, address: str) -> Popen[bytes]:
    """Start the worker process, which listens on a socket."""
    import subprocess

    # -P: modules in the working folder must not shadow the libraries.
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
        # In a separate session: a keyboard interrupt is for the workflow, which then ends the worker.
        start_new_session=True,
    )


def import_frozen(*modules: str) -> None:
    """Import modules with the cyclic garbage collector disabled, then call `gc.freeze()`.

    Collections during imports take a seventh of the time and free nothing. Frozen objects are not touched by
    later collections, so that forked children keep sharing their memory pages (copy-on-write).
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
    """Run a request in the worker, with this process's standard output and error; returns the exit status.

    Args:
        worker: value of the environment variable `VARIABLE`.

    Raises:
        NoWorkerError: the request was not run, or its process has been killed.
    """
    prefix = f"{sys.executable}:"
    if not worker.startswith(prefix):
        raise NoWorkerError(f"it runs another Python: {worker}")
    _, _, address = worker.removeprefix(prefix).partition(":")
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rb") as answers:
        job = _submit(request, address, connection, answers)
        connection.settimeout(None)
        status = answers.readline()
    if not status:
        with suppress(ProcessLookupError):
            os.killpg(job, signal.SIGKILL)
        raise NoWorkerError("it ended before the job did")
    if int(status) < 0:
        print(f"{request['target']}: {signal.strsignal(-int(status))}", file=sys.stderr, flush=True)
    return abs(int(status))


def _submit(request: Request, address: str, connection: socket.socket, answers: IO[bytes]) -> int:
    """Send a request to the worker; returns the process group that runs it."""
    message = json.dumps({**request, "folder": os.getcwd()}).encode()
    connection.settimeout(WORKER_TIMEOUT)
    try:
        if os.stat(address).st_uid != os.getuid():
            raise NoWorkerError(f"{address} belongs to another user")
        connection.connect(address)
        if (
            not answers.readline()
        ):  # "ready": before, the worker may still be importing and has received nothing
            raise NoWorkerError("it ended before it accepted the job")
        socket.send_fds(connection, [len(message).to_bytes(8)], [1, 2])
        connection.sendall(message)
        started = answers.readline()
    except TimeoutError:
        with suppress(OSError):
            os.unlink(address)  # no other job should wait; the worker ends when its socket is gone
        raise NoWorkerError(f"{address}: no answer in {WORKER_TIMEOUT:g} s") from None
    except OSError as error:
        raise NoWorkerError(f"{address}: {error}") from None
    if not started:
        raise NoWorkerError("it could not start the job")
    return int(started.removeprefix(b"started "))


def execute(request: Request, note: str | None = None) -> int:
    """Run a request in this process; returns the exit status.

    The traceback of an error goes to the log, its message to stderr.

    Args:
        request: the arguments of `run_job`.
        note: a warning for the first line of the log.
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
