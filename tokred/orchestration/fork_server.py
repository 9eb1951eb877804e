"""The worker: one process per workflow that has imported the slow libraries, and forks for each job.

`tokred.orchestration.job_runner` starts it and submits jobs. Protocol, one connection per job: the client
reads the line "ready", then sends its standard output and error as file descriptors with a request (eight
bytes with its length, then JSON). The worker answers with the lines "started <process id>" and, at the end of
the job, its exit status (negative: the number of a signal). If the connection closes before the job has
started, the client has to run the job itself.
"""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import shutil
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from tokred.orchestration import job_runner
from tokred.orchestration.job_runner import Request

#: Modules that the worker imports: most of the time to start a job is their import.
LIBRARIES = (
    "tokred.training.job",
    "tokred.evaluation.job",
    "tokred.comparison",
    "tokred.artifacts.render",
    "matplotlib.backends.backend_agg",
)
#: Seconds in which a client has to send its request.
REQUEST_TIMEOUT = 10.0
#: Maximum size of a request in bytes.
MAX_REQUEST_SIZE = 1 << 28
_HEADER = 8
_PR_SET_PDEATHSIG = 1


@dataclass(eq=False)
class _Client:
    """A connection: first a request, which arrives in pieces, then a job.

    Attributes:
        connection: non-blocking socket.
        deadline: `time.monotonic()` at which the request must be complete.
        received: the request so far, header included.
        descriptors: the client's standard output and error, until the job has been forked.
        job: process id of the job, and of its process group; None before the fork.
    """

    connection: socket.socket
    deadline: float
    received: bytearray = field(default_factory=bytearray)
    descriptors: list[int] = field(default_factory=list)
    job: int | None = None

    def missing(self) -> int:
        """Bytes of the request that have not arrived yet."""
        if len(self.received) < _HEADER:
            return _HEADER - len(self.received)
        return _HEADER + int.from_bytes(self.received[:_HEADER]) - len(self.received)

    def request(self) -> Request | None:
        """The complete request; None if it is not valid."""
        try:
            request = json.loads(self.received[_HEADER:])
        except ValueError:
            return None
        complete = isinstance(request, dict) and len(self.descriptors) == 2
        return request if complete else None

    def is_gone(self) -> bool:
        """Whether the other side has closed the connection."""
        try:
            return self.connection.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def answer(self, text: str) -> None:
        """Send a line; a closed connection is noticed when it is read."""
        with suppress(OSError):
            self.connection.sendall(f"{text}\n".encode())

    def close(self) -> None:
        """Close the connection and the file descriptors received with it."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors.clear()
        self.connection.close()


class Server:
    """Forks for each job. It is single-threaded, so that forks are safe, and no client can block the others.

    Args:
        listener: listening socket; connections wait in its backlog until the libraries are imported.
        address: its path, in a separate folder that the server removes at its end.
        workflow: process id of the workflow, with which the server ends.
    """

    def __init__(self, listener: socket.socket, address: str, workflow: int) -> None:
        self.listener = listener
        self.address = address
        self.workflow = workflow
        self.selector = selectors.DefaultSelector()
        self.clients: set[_Client] = set()
        self.jobs: dict[int, _Client] = {}
        self.ended, self.wake = socket.socketpair()

    def serve(self, libraries: Sequence[str]) -> None:
        """Import the libraries, then serve until the workflow ends or a client removes the socket."""
        job_runner.import_frozen(*libraries)
        for end in (self.listener, self.ended, self.wake):
            end.setblocking(False)
        signal.signal(
            signal.SIGCHLD, lambda number, frame: None
        )  # without a handler, the signal does not wake `select`
        signal.set_wakeup_fd(self.wake.fileno())
        self.selector.register(self.ended, selectors.EVENT_READ, self._reap)
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        while os.getppid() == self.workflow and (self.jobs or os.path.exists(self.address)):
            for key, _ in self.selector.select(timeout=0.5):
                key.data()
            for client in [client for client in self.clients if client.job is None]:
                if time.monotonic() > client.deadline:
                    self._drop(client)
        for job, client in self.jobs.items():
            os.killpg(job, signal.SIGKILL)
            client.answer(str(-signal.SIGKILL))

    def _accept(self) -> None:
        try:
            connection, _ = self.listener.accept()
        except BlockingIOError:  # the client has disconnected
            return
        except OSError:  # too many open files: wait until jobs end
            time.sleep(0.1)
            return
        connection.setblocking(False)
        client = _Client(connection, time.monotonic() + REQUEST_TIMEOUT)
        client.answer("ready")
        self.clients.add(client)
        self.selector.register(connection, selectors.EVENT_READ, partial(self._read, client))

    def _read(self, client: _Client) -> None:
        if client not in self.clients:  # dropped after it became readable
            return
        try:
            data, descriptors, _, _ = socket.recv_fds(client.connection, 1 << 16, 2)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        client.descriptors += descriptors
        if not data:
            self._drop(client)
        elif client.job is None:
            client.received += data
            if len(client.received) > MAX_REQUEST_SIZE or client.missing() < 0:
                self._drop(client)
            elif client.missing() == 0:
                self._start(client)

    def _start(self, client: _Client) -> None:
        request = client.request()
        if request is None or client.is_gone() or (job := _fork()) is None:
            self._drop(client)
            return
        if job == 0:
            self._run(client, request)
        with suppress(OSError):  # the child does the same, and the second call may fail
            os.setpgid(job, job)
        client.job = job
        self.jobs[job] = client
        client.received.clear()
        while client.descriptors:
            os.close(client.descriptors.pop())
        client.answer(f"started {job}")

    def _run(self, client: _Client, request: Request) -> None:
        """Run the job in the child process; never returns."""
        status = 1
        try:
            os.setpgid(0, 0)
            # The job is killed if the server ends for any reason.
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for target, descriptor in zip((1, 2), client.descriptors, strict=True):
                os.dup2(descriptor, target)
            # Close the server's sockets, so that clients notice when the server ends.
            self.selector.close()
            for end in (self.listener, self.ended, self.wake):
                end.close()
            for other in self.clients:
                other.close()
            os.chdir(request["folder"])
            status = job_runner.execute(request)
        except OSError as error:
            print(f"{request.get('target')}: {error}", file=sys.stderr, flush=True)
        finally:
            try:
                sys.stdout.flush()
            finally:
                os._exit(status)

    def _drop(self, client: _Client) -> None:
        """Close a connection and kill its job: the client is gone, or has sent no valid request."""
        if client.job is not None:
            with suppress(ProcessLookupError):
                os.killpg(client.job, signal.SIGKILL)
        self._close(client)

    def _reap(self) -> None:
        """Send exit statuses to the clients of all jobs that have ended."""
        self.ended.recv(4096)
        for job, client in list(self.jobs.items()):
            ended, status = os.waitpid(job, os.WNOHANG)
            if ended:
                del self.jobs[job]
                if client in self.clients:
                    client.answer(str(os.waitstatus_to_exitcode(status)))
                    self._close(client)

    def _close(self, client: _Client) -> None:
        self.clients.discard(client)
        self.selector.unregister(client.connection)
        client.close()


def _fork() -> int | None:
    """Like `os.fork`, but returns None if the system cannot create a process."""
    try:
        return os.fork()
    except OSError:
        return None


def main(descriptor: str, address: str, workflow: str) -> None:
    """Serve on an inherited listening socket; see `Server`."""
    try:
        Server(socket.socket(fileno=int(descriptor)), address, int(workflow)).serve(LIBRARIES)
    except ImportError as error:  # the jobs that need the module report it
        print(f"tokred: no worker ({error}): each job imports its libraries itself", file=sys.stderr)
    finally:
        shutil.rmtree(os.path.dirname(address), ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
