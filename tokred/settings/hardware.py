"""Settings of the hardware, which affect the speed of a study and not its results."""

from __future__ import annotations

import shlex
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator

from tokred.validation import Strict


class Hardware(Strict):
    """The part of a configuration that differs from machine to machine.

    Results agree to float tolerance for all settings, except for the random numbers of networks (stochastic
    depth, DynamicViT's decisions), which are drawn for each micro-batch. A change of these settings therefore
    reruns nothing, and an interrupted training can resume on other hardware.
    """

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: a GPU if available")
    processes: PositiveInt = Field(1, description="processes of one training per node; on GPUs, one GPU each")
    nodes: PositiveInt = Field(1, description="number of machines of one training")
    launcher: str = Field(
        "srun --nodes={nodes} --ntasks={nodes} --ntasks-per-node=1 --cpus-per-task={threads} "
        "--kill-on-bad-exit=1",
        description="with several nodes: command that runs its arguments once on each node",
    )
    workers: NonNegativeInt = Field(0, description="data loader workers for streamed images, per process")
    micro_batch_size: PositiveInt | None = Field(
        None,
        description="images per forward pass of a process in training; gradients are accumulated over the "
        "training's `batch_size`. null: the whole shard of the process",
    )
    compile: bool | Literal["eager", "aot_eager"] = Field(
        False, description="use torch.compile in training; true: with its default backend"
    )

    @property
    def threads(self) -> int:
        """Number of processes of a training on each node, including data loader workers."""
        return self.processes * (1 + self.workers)

    @field_validator("launcher")
    @classmethod
    def _check_launcher(cls, launcher: str) -> str:
        try:
            command: list[str] | Exception = shlex.split(launcher.format(nodes=1, threads=1))
        except (LookupError, ValueError) as error:
            command = error
        if not command or isinstance(command, Exception):
            raise ValueError(
                "expected a command with no placeholders but {nodes} and {threads}, "
                f"found {launcher!r} ({command!r})"
            )
        return launcher


#: One process, on a GPU if available.
DEFAULT_HARDWARE = Hardware()
