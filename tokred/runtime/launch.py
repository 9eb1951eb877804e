"""Run a job's function in several processes, of this machine or of several (nodes), through torchrun.

torchrun starts `python -m tokred.runtime REQUEST` that many times on a node; where there are several nodes,
a launcher of the site's, such as srun, starts torchrun on each. Each process joins the others and calls the
function with the same job. They end with the process that launched them.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from tokred.settings import Hardware
from tokred.settings.jobs import Job

log = logging.getLogger(__name__)


def needed(hardware: Hardware) -> bool:
    """Whether several processes are asked for and this is not one of them already."""
    return hardware.processes * hardware.nodes > 1 and "TORCHELASTIC_RUN_ID" not in os.environ


def run(target: str, job: Job, folder: Path) -> None:
    """Call `module:function` with a job in several processes, wait for them, and log what they print.

    Args:
        target: a function that takes the job's plain values, see `tokred.settings.jobs.takes`.
        job: its hardware says how many processes there are, and where.
        folder: a folder that all nodes see.

    Raises:
        ValueError: the job failed, with the message of the first process that did; or there is no launcher.
    """
    hardware = job.hardware
    threads = max(1, torch.get_num_threads() // hardware.processes)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".processes-", dir=folder) as shared:
        request = Path(shared).absolute() / "request.json"
        asked = {"target": target, "job": job.model_dump(mode="json")}
        request.write_text(json.dumps(asked), encoding="utf-8")
        # The processes watch their standard input, which closes when this process is gone.
        with subprocess.Popen(
            [*_torchrun(hardware, request.parent.name), "-m", "tokred.runtime", str(request)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        ) as started:
            for line in started.stdout or ():
                log.info("%s", line.rstrip())
        if started.returncode:
            # The first to fail knows why; the others lost their connection to it.
            failed = sorted(request.parent.glob("error-*"), key=lambda path: path.stat().st_mtime_ns)
            errors = [path.read_text(encoding="utf-8") for path in failed]
            raise ValueError(
                errors[0] if errors else f"{target}: a process ended without a word, see the log"
            )


def _torchrun(hardware: Hardware, name: str) -> list[str]:
    """The command that starts torchrun, on each node where there are several; they meet on this one."""
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={hardware.processes}"]
    if hardware.nodes == 1:
        return [*command, "--standalone"]
    launcher = shlex.split(hardware.launcher.format(nodes=hardware.nodes, threads=hardware.threads))
    if shutil.which(launcher[0]) is None:
        raise ValueError(f"hardware.launcher: expected a command that is there, found {launcher[0]!r}")
    with socket.socket() as free:
        free.bind(("", 0))
        meeting = f"{socket.gethostname()}:{free.getsockname()[1]}"
    rendezvous = ["--rdzv-backend=c10d", f"--rdzv-endpoint={meeting}", f"--rdzv-id={name}"]
    return [*launcher, *command, f"--nnodes={hardware.nodes}", *rendezvous]
