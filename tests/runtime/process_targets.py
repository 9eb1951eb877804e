"""What processes of a job do in tests; called by `python -m tokred.runtime`."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from tests.training.pictures import trainer
from tokred.evaluation.performance import Measure
from tokred.runtime import distributed
from tokred.settings.jobs import Job, takes


class Check(Job):
    """A job of the tests: an image table, and a folder for what the processes find."""

    table: str
    folder: str


@takes(Check)
def check(job: Check) -> None:
    """Leave a file for each process with what it has in the end; then one fails while the other waits."""
    rank, found = distributed.rank(), {}
    # The second parameter is reached by one process only, the third by none.
    parameters = [torch.nn.Parameter(torch.zeros(2)) for _ in range(3)]
    parameters[0].grad = torch.tensor([1.0, 2.0]) + rank
    parameters[1].grad = torch.ones(2) if rank == 1 else None
    distributed.average_gradients(parameters)
    assert parameters[2].grad is None
    found |= {"all": parameters[0].grad, "one": parameters[1].grad}

    measure = Measure("single")
    for _ in range(3 + rank):  # 4 of 7 images right
        measure.add(torch.tensor([[0.0, 1.0]]), torch.tensor([rank]))
    found["measure"] = torch.tensor(measure.result())

    settings = {"drop_path": 0.1, "backbone_freeze_epochs": 1, "selection": "holdout", "holdout": 0.5}
    learner = trainer(job.table, "dynamicvit", job.hardware, **settings)
    found |= learner.fit(Path(job.folder) / "state.safetensors", "x")
    found["extra"] = torch.tensor([row["extra_loss"] for row in learner.history])
    save_file({name: tensor.clone() for name, tensor in found.items()}, Path(job.folder) / f"rank{rank}")
    distributed.all_gather("written")
    if rank == 1:
        raise ValueError("picture 'x7' cannot be decoded")
    distributed.mean(torch.zeros(1))
