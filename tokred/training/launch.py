"""Run a job's function in several processes of this machine, through torchrun.

torchrun starts `python -m tokred.training REQUEST` that many times; each process joins the others and calls
the function with the same arguments. They end with the process that launched them.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch

log = logging.getLogger(__name__)


def needed(processes: int) -> bool:
    """Whether processes are asked for and this is not one of them already."""
    return processes > 1 and "TORCHELASTIC_RUN_ID" not in os.environ


def run(target: str, arguments: Mapping[str, object], processes: int) -> None:
    """Call `module:function` in several processes, wait for them, and log what they print.

    Args:
        target: what to call.
        arguments: its keyword arguments, JSON-like; "hardware" among them says on which device.
        processes: how many.

    Raises:
        ValueError: the job failed; with the message of the first process that did.
    """
    threads = max(1, torch.get_num_threads() // processes)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with tempfile.TemporaryDirectory(prefix="tokred-") as folder:
        request = Path(folder) / "request.json"
        request.write_text(json.dumps({"target": target, "arguments": dict(arguments)}, default=dict))
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command = [*torchrun, f"--nproc-per-node={processes}", "-m", "tokred.training", str(request)]
        # The processes watch their standard input, which closes when this process is gone.
        with subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as started:
            for line in started.stdout:
                log.info("%s", line.rstrip())
        if started.returncode:
            # The first to fail knows why; the others lost their connection to it.
            failed = sorted(Path(folder).glob("error-*"), key=lambda path: path.stat().st_mtime_ns)
            errors = [path.read_text() for path in failed]
            raise ValueError(
                errors[0] if errors else f"{target}: a process ended without a word, see the log"
            )
