"""What computes, and how: settings that change how fast results come, not what they mean."""

from __future__ import annotations

import shlex
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator

from tokred.validation import Strict


class Hardware(Strict):
    """The part of a configuration that differs from machine to machine.

    Results agree to float tolerance whatever is chosen, except for what a network draws at random within a
    step (stochastic depth, DynamicViT's decisions): that is drawn anew for each micro-batch. A change here
    therefore reruns nothing, and an interrupted training goes on with other hardware.
    """

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: a GPU where there is one")
    processes: PositiveInt = Field(1, description="of one training, on each node; with GPUs, one GPU each")
    nodes: PositiveInt = Field(1, description="machines of one training")
    launcher: str = Field(
        "srun --nodes={nodes} --ntasks={nodes} --ntasks-per-node=1 --cpus-per-task={threads} "
        "--kill-on-bad-exit=1",
        description="with several nodes: the command that runs what follows it once on each of them",
    )
    workers: NonNegativeInt = Field(0, description="processes that read streamed images, for each process")
    micro_batch_size: PositiveInt | None = Field(
        None,
        description="images that a process passes through the network at a time while training; gradients "
        "accumulate up to the training's `batch_size`. null: its whole part of the batch",
    )
    compile: bool | Literal["eager", "aot_eager"] = Field(
        False, description="torch.compile while training; true: with its default backend"
    )

    @property
    def threads(self) -> int:
        """Processes of a training that run on a node, reading ones included."""
        return self.processes * (1 + self.workers)

    @field_validator("launcher")
    @classmethod
    def _check_launcher(cls, launcher: str) -> str:
        try:
            found: list[str] | Exception = shlex.split(launcher.format(nodes=1, threads=1))
        except (LookupError, ValueError) as error:
            found = error
        if not found or isinstance(found, Exception):
            raise ValueError(
                "expected a command, in which {nodes} and {threads} stand for numbers; "
                f"found {launcher!r} ({found!r})"
            )
        return launcher


#: One process, on a GPU where there is one.
DEFAULT_HARDWARE = Hardware()
