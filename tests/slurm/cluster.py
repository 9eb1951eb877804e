"""A SLURM of two nodes in a folder: daemons on loopback, fake GPUs; no systemd, cgroups, accounting."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "sinfo")
#: Of each node.
GPUS = 2
NODES = ("one", "two")
CONFIG = """\
ClusterName=tokred
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
EnforcePartLimits=ALL
ReturnToService=2
SlurmdParameters=config_overrides
MinJobAge=3600
KillWait=2
SwitchType=switch/none
MpiDefault=none
GresTypes=gpu
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} RealMemory=64000 "
NODE += "Gres=gpu:fake:{gpus} State=UNKNOWN\n"


def missing() -> list[str]:
    """What this machine lacks to start a cluster, in words; the daemons need root."""
    lacking = [f"no {name}" for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    return lacking + (["not root"] if os.geteuid() else [])


@contextmanager
def cluster(cpus: int = 4) -> Iterator[dict[str, str]]:
    """A running cluster; gives the environment with which programs find it. All of it ends with the block.

    Args:
        cpus: that each node says to have, whatever the machine has.
    """
    with ExitStack() as daemons:
        # Not pytest's folder: munge wants one that all may enter, and a short path of its socket.
        folder = Path(daemons.enter_context(tempfile.TemporaryDirectory(prefix="tokred-slurm-")))
        folder.chmod(0o755)
        environment = {**os.environ, "PATH": f"{folder}/bin:{_path()}", "SLURM_CONF": f"{folder}/slurm.conf"}
        _configure(folder, cpus)
        _wrap_srun(folder)
        munged = [
            "munged",
            "--foreground",
            "--socket",
            f"{folder}/munge.socket",
            "--key-file",
            f"{folder}/key",
        ]
        munged += [f"--{name}-file={folder}/munge.{name}" for name in ("pid", "log", "seed")]
        for command in (munged, ["slurmctld", "-D"], *(["slurmd", "-D", "-N", name] for name in NODES)):
            daemons.enter_context(_daemon(command, environment, folder))
        _wait_until_idle(environment, folder)
        yield environment
        subprocess.run(["scancel", "--me"], env=environment, timeout=30, check=False)


def _configure(folder: Path, cpus: int) -> None:
    for name in ("state", *(f"spool-{node}" for node in NODES)):
        (folder / name).mkdir()
    key = folder / "key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    control_port, *node_ports = _free_ports(1 + len(NODES))
    host = socket.gethostname().partition(".")[0]
    values = {"folder": folder, "host": host, "control_port": control_port, "cpus": cpus, "gpus": GPUS}
    nodes = [
        NODE.format(name=name, port=port, **values) for name, port in zip(NODES, node_ports, strict=True)
    ]
    (folder / "slurm.conf").write_text(CONFIG.format(**values) + "".join(nodes))
    devices = [folder / f"gpu{index}" for index in range(GPUS)]
    for device in devices:
        os.mknod(device, 0o20666, os.makedev(1, 3))  # the device of /dev/null
    (folder / "gres.conf").write_text("".join(f"Name=gpu Type=fake File={device}\n" for device in devices))


def _wrap_srun(folder: Path) -> None:
    """The plugin takes SLURM's variables from the job steps it starts, and with them where the cluster is."""
    (folder / "bin").mkdir()
    wrapper = folder / "bin" / "srun"
    wrapper.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which("srun")} "$@"\n')
    wrapper.chmod(0o755)


def _free_ports(number: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def _daemon(command: list[str], environment: dict[str, str], folder: Path) -> Iterator[None]:
    """A daemon in the foreground of a session of its own, ended with the block."""
    with (folder / f"{command[0]}.out").open("a") as out:
        running = subprocess.Popen(command, env=environment, stdout=out, stderr=out, start_new_session=True)
    try:
        yield
    finally:
        running.terminate()
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait(20)


def _wait_until_idle(environment: dict[str, str], folder: Path, patience: float = 30) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        asked = ["sinfo", "--noheader", "--format=%T"]
        answer = subprocess.run(
            asked, env=environment, capture_output=True, text=True, timeout=30, check=False
        )
        if answer.stdout.strip() == "idle":
            return
        time.sleep(0.3)
    logs = "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in sorted(folder.glob("*.log")))
    raise RuntimeError(f"expected an idle node after {patience} s, found {answer}\n{logs}")


def _path() -> str:
    """Where Debian puts daemons as well, whatever the caller's path."""
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"
