"""Several processes end with what one would have, and write it once."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from tests.runtime.process_targets import Check
from tests.training.pictures import PLAIN, SMALL, table
from tokred.models.factory import build_model
from tokred.models.weights import save_weights
from tokred.run import Run
from tokred.runtime import launch
from tokred.settings import Hardware
from tokred.settings.jobs import Job
from tokred.tables import schemas
from tokred.training.job import train

ROOT = Path(__file__).parents[2]
#: Two processes of one machine, and one on each of two.
TOGETHER = {"device": "cpu", "processes": 2}
APART = {"device": "cpu", "nodes": 2, "launcher": f"{sys.executable} -m tests.runtime.two_nodes"}


@pytest.fixture(autouse=True)
def path_of_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))


def job(folder: Path, name: str, hardware: Mapping[str, object]) -> tuple[dict[str, torch.Tensor], list]:
    """Weights and history of a training job on streamed pictures."""
    run = {"dataset": "pictures", "backbone": "b", "method": "sit", "keep_rate": "0.50", "seed": 0}
    model = {"backbone": SMALL.model_dump(mode="json"), "options": {}, "locations": [1, 2]}
    augmented = {"crop": "random", "flip": 0.5, "mixup": 0.8, "cutmix": 1.0, "repeats": 3}
    augmented["mix_micro_batch"] = 6
    training = {**PLAIN, **augmented, "selection": "test", "backbone_freeze_epochs": 1}
    checkpoint, history = folder / name / "0.safetensors", folder / name / "0.parquet"
    files = [str(folder / file) for file in ("vit.safetensors", "train.parquet", "test.parquet")]
    pretrained, train_table, test_table = files
    images = {"source": "stream", "crop_pct": 0.875}
    outputs = {"checkpoint": str(checkpoint), "history": str(history)}
    inputs = {"pretrained": pretrained, "train_table": train_table, "test_table": test_table}
    settings = {"run": run, "model": model, "training": training, "code": {"train": "c0"}, "keep_head": True}
    train({**settings, **inputs, **outputs, "images": images, "hardware": hardware})
    assert sorted(path.name for path in (folder / name).iterdir()) == ["0.parquet", "0.safetensors"]
    return load_file(checkpoint), schemas.read(history, schemas.HISTORY).to_dict("records")


@pytest.mark.slow
@pytest.mark.parametrize("hardware", [TOGETHER, APART], ids=["one node", "two nodes"])
def test_two_processes_end_like_one(tmp_path: Path, hardware: Mapping[str, object]) -> None:
    """The test split has an odd number of images, of which none may count twice."""
    table(tmp_path / "train.parquet", 24)
    table(tmp_path / "test.parquet", 21, split="test")
    vit = build_model(Run("pictures", "b", "none", "1.00", 0), SMALL, {}, (1, 2), 5)
    save_weights(vit, tmp_path / "vit.safetensors", {})
    one, history = job(tmp_path, "one", {"device": "cpu"})
    two, other = job(tmp_path, "two", {**hardware, "micro_batch_size": 2, "workers": 1})
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=2e-5, rtol=1e-4)
    assert any(not torch.equal(one[name], tensor) for name, tensor in vit.state_dict().items())
    for mine, theirs in zip(other, history, strict=True):
        assert mine["train_loss"] == pytest.approx(theirs["train_loss"], abs=1e-5)
        assert mine["val_score"] == pytest.approx(theirs["val_score"], abs=1e-9)
        right = mine["val_score"] * 21 / 100
        assert right == pytest.approx(round(right), abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("hardware", [TOGETHER, APART], ids=["one node", "two nodes"])
def test_processes_agree(tmp_path: Path, hardware: Mapping[str, object]) -> None:
    """A loss of the method's own, frozen epochs, and parameters that some processes do not reach."""
    path = table(tmp_path / "train.parquet", 24)
    checked = Check(hardware=hardware, table=path, folder=str(tmp_path))
    shared = tmp_path / "shared"
    # One fails in the end: its error is the job's.
    with pytest.raises(ValueError, match=r"^picture 'x7' cannot be decoded$"):
        launch.run("tests.runtime.process_targets:check", checked, shared)
    assert list(shared.iterdir()) == []
    first, second = (load_file(tmp_path / f"rank{rank}") for rank in (0, 1))
    assert first.keys() == second.keys()
    assert all(torch.equal(second[name], tensor) for name, tensor in first.items())
    assert first["all"].tolist() == [1.5, 2.5]
    assert first["one"].tolist() == [0.5, 0.5]
    assert first["measure"].item() == pytest.approx(100 * 4 / 7)
    assert (first["extra"] > 0).all()


def test_no_processes_where_one_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    assert launch.is_needed(Hardware(processes=2))
    assert launch.is_needed(Hardware(nodes=2))
    assert not launch.is_needed(Hardware())
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    assert not launch.is_needed(Hardware(processes=2, nodes=2))


def test_launcher_that_is_not_there(tmp_path: Path) -> None:
    hardware = Hardware(nodes=2, launcher="srum --nodes={nodes}")
    with pytest.raises(
        ValueError, match=r"^hardware\.launcher: expected an installed command, found 'srum'$"
    ):
        launch.run("tests.runtime.process_targets:check", Job(hardware=hardware), tmp_path)


@pytest.mark.parametrize("launcher", ["srun -N {count}", "srun 'x", "srun {", ""])
def test_launcher_that_is_no_command(launcher: str) -> None:
    with pytest.raises(ValidationError, match=r"expected a command, in which \{nodes\} and \{threads\}"):
        Hardware(launcher=launcher)
