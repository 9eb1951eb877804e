"""Run a job's function in several processes through torchrun, on one machine (node) or several.

torchrun starts `python -m tokred.runtime REQUEST` for each process of a node; with several nodes, a launcher
of the site, such as srun, starts torchrun on each. Each process joins the process group and calls the
function with the same job. All of them end with the process that launched them.
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


def is_needed(hardware: Hardware) -> bool:
    """Whether the job has several processes, and this is not one of them."""
    return hardware.processes * hardware.nodes > 1 and "TORCHELASTIC_RUN_ID" not in os.environ


def run(target: str, job: Job, folder: Path) -> None:
    """Call `module:function` with a job in several processes, log their output, and wait for them.

    Args:
        target: a function of the job's plain values, see `tokred.settings.jobs.takes`.
        job: a job, whose hardware sets the number of processes and nodes.
        folder: a folder that all nodes share.

    Raises:
        ValueError: the job failed (with the message of the first process that failed), or there is no
            launcher.
    """
    hardware = job.hardware
    threads = max(1, torch.get_num_threads() // hardware.processes)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".processes-", dir=folder) as shared:
        request = Path(shared).absolute() / "request.json"
        content = {"target": target, "job": job.model_dump(mode="json")}
        request.write_text(json.dumps(content), encoding="utf-8")
        # The processes watch their standard input, which closes when this process ends.
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
            # The first process that failed has the cause; the others lost their connection to it.
            failed = sorted(request.parent.glob("error-*"), key=lambda path: path.stat().st_mtime_ns)
            errors = [path.read_text(encoding="utf-8") for path in failed]
            raise ValueError(
                errors[0] if errors else f"{target}: a process ended without an error message, see the log"
            )


def _torchrun(hardware: Hardware, name: str) -> list[str]:
    """The command that starts torchrun on each node; the rendezvous is on this one."""
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={hardware.processes}"]
    if hardware.nodes == 1:
        return [*command, "--standalone"]
    launcher = shlex.split(hardware.launcher.format(nodes=hardware.nodes, threads=hardware.threads))
    if shutil.which(launcher[0]) is None:
        raise ValueError(f"hardware.launcher: expected an installed command, found {launcher[0]!r}")
    with socket.socket() as unused:
        unused.bind(("", 0))
        endpoint = f"{socket.gethostname()}:{unused.getsockname()[1]}"
    rendezvous = ["--rdzv-backend=c10d", f"--rdzv-endpoint={endpoint}", f"--rdzv-id={name}"]
    return [*launcher, *command, f"--nnodes={hardware.nodes}", *rendezvous]
