"""Run a job's function, in a process that has the slow libraries loaded already where there is one.

Importing torch and timm takes longer than many of the built-in study's jobs. While the workflow runs on one
machine, a *worker* imports them once; a job asks it to fork, and the copy runs the job's function. Each job
is still a process of its own with its own outputs and log; it dies with the job's own process, and the
worker dies with the workflow's. Without a worker (clusters, conda environments) the job runs in place.
"""

from __future__ import annotations

import gc
import importlib
import json
import logging
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from subprocess import Popen

#: Environment variable with the worker's address: "<python>:<process id>:<socket>".
VARIABLE = "TOKRED_WORKER"
#: One thread a job, as Snakemake tells libraries.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
_LIBRARIES = (
    "tokred.training.job",
    "tokred.evaluation.job",
    "tokred.compare",
    "tokred.artifacts.render",
    "matplotlib.backends.backend_agg",
)


def run_job(target: str, arguments: Mapping[str, object], log: str | Path, threads: int) -> None:
    """Call `module:function` with JSON-like arguments; exits with status 1 where it fails.

    Args:
        target: what to call.
        arguments: its keyword arguments.
        log: file that gets the job's log messages, and the traceback of an error.
        threads: threads that the job may use.
    """
    request = {"target": target, "arguments": arguments, "log": str(log), "threads": threads}
    connection = _connect()
    status = _execute(request) if connection is None else _delegate(connection, request)
    if status:
        sys.exit(status)


def start(python: str = sys.executable) -> Popen | None:
    """Start a worker in the background and tell this process's children about it; returns the worker.

    Does nothing where the system has no process descriptors (other than Linux).
    """
    if not hasattr(os, "pidfd_open"):
        return None
    import subprocess
    import tempfile

    address = Path(tempfile.mkdtemp(prefix="tokred-")) / "socket"
    environment = {**os.environ, **ONE_THREAD}
    command = [python, "-m", "tokred.worker", str(address)]
    # A session of its own: an interrupt from the keyboard is for the workflow, which ends the worker.
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
    os.environ[VARIABLE] = f"{python}:{process.pid}:{address}"
    return process


def load(*modules: str) -> None:
    """Import modules without looking for garbage meanwhile, which takes a seventh of the time and finds none.

    What they made is not looked at later, either, so that a worker's children share it.
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


def _connect(patience: float = 60.0) -> socket.socket | None:
    """A connection to the worker, None where there is none for this process."""
    value = os.environ.get(VARIABLE)
    if value is None:
        return None
    python, pid, address = value.split(":")
    if python != sys.executable:
        return None
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and Path(f"/proc/{pid}").exists():
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(address)
            return connection
        except (FileNotFoundError, ConnectionRefusedError):  # still importing
            connection.close()
            time.sleep(0.05)
    return None


def _delegate(connection: socket.socket, request: Mapping[str, object]) -> int:
    """Have the worker run the request on this process's terminal; returns its exit status."""
    message = json.dumps({**request, "folder": os.getcwd()}).encode()
    with connection:
        socket.send_fds(connection, [len(message).to_bytes(8)], [1, 2])
        connection.sendall(message)
        answer = connection.recv(1)
    if not answer:
        print("tokred: the worker ended before the job did", file=sys.stderr)
        return 1
    return answer[0]


def _execute(request: Mapping[str, object]) -> int:
    """Run a request in this process; errors go to the log in full and to stderr in one line."""
    log = Path(request["log"])
    log.parent.mkdir(parents=True, exist_ok=True)
    module, _, name = request["target"].partition(":")
    with _logging_to(log):
        try:
            load(module)
            if "torch" in sys.modules:
                sys.modules["torch"].set_num_threads(request["threads"])
            getattr(sys.modules[module], name)(**request["arguments"])
        except Exception as error:
            logging.getLogger(__name__).error("%s", traceback.format_exc())
            print(f"{request['target']}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            return 1
    return 0


@contextmanager
def _logging_to(path: Path):
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


class _Worker:
    """The server: one thread, so that its forks are safe; a child for each connection."""

    def __init__(self, address: str) -> None:
        self.parent = os.getppid()
        self.address = Path(address)
        self.listener = socket.socket(socket.AF_UNIX)
        self.selector = selectors.DefaultSelector()
        self.jobs: dict[int, socket.socket] = {}

    def serve(self, libraries: Sequence[str]) -> None:
        """Load the libraries, then answer until the process that started the worker is gone."""
        load(*libraries)
        self.listener.bind(str(self.address))
        self.listener.listen(64)
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        while os.getppid() == self.parent:
            for key, _ in self.selector.select(timeout=0.5):
                key.data()
        for pid in self.jobs:
            os.kill(pid, signal.SIGKILL)
        self.address.unlink()
        self.address.parent.rmdir()

    def _accept(self) -> None:
        connection, _ = self.listener.accept()
        header, descriptors, _, _ = socket.recv_fds(connection, 8, 2)
        size, message = int.from_bytes(header), b""
        while len(message) < size:
            message += connection.recv(size - len(message))
        pid = os.fork()
        if pid == 0:
            self._run(json.loads(message), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        self.jobs[pid] = connection
        ended = os.pidfd_open(pid)
        self.selector.register(connection, selectors.EVENT_READ, partial(self._abandon, pid))
        self.selector.register(ended, selectors.EVENT_READ, partial(self._finish, pid, ended))

    def _run(self, request: dict[str, object], descriptors: list[int]) -> None:
        """The child: never returns."""
        status = 1
        try:
            self.listener.close()
            for target, descriptor in zip((1, 2), descriptors, strict=True):
                os.dup2(descriptor, target)
            os.chdir(request["folder"])
            status = _execute(request)
        finally:
            sys.stdout.flush()
            os._exit(status)

    def _abandon(self, pid: int) -> None:
        """The job's own process is gone: so must its work be."""
        connection = self.jobs.pop(pid, None)
        if connection is not None:
            os.kill(pid, signal.SIGKILL)
            self._hang_up(connection)

    def _finish(self, pid: int, ended: int) -> None:
        """The work is done: tell the job's own process how it went."""
        self.selector.unregister(ended)
        os.close(ended)
        _, status = os.waitpid(pid, 0)
        connection = self.jobs.pop(pid, None)
        if connection is not None:
            connection.sendall(bytes([min(255, abs(os.waitstatus_to_exitcode(status)))]))
            self._hang_up(connection)

    def _hang_up(self, connection: socket.socket) -> None:
        self.selector.unregister(connection)
        connection.close()


if __name__ == "__main__":
    _Worker(sys.argv[1]).serve(_LIBRARIES)
