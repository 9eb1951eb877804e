"""`tokred benchmark`: what it prints and writes; times themselves are never looked at."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tokred.cli import benchmark
from tokred.cli.app import app
from tokred.models.reduced import ReducedModel

RUNNER = CliRunner()
#: 16 tokens.
SMALL = ("benchmark", "deit_tiny_patch16_224", "--image-size", "64", "--repeats", "1", "-m", "topk,tome")


def call(*arguments: str, status: int = 0) -> Result:
    result = RUNNER.invoke(app, list(arguments), env={"COLUMNS": "120"})
    assert result.exit_code == status, result.output
    return result


def row(method: str, size: int, **values: Any) -> dict[str, Any]:
    """A row of a sweep, with round numbers."""
    found = {"method": method, "keep_rate": "", "batch_size": size, "seconds": size * 0.01}
    found |= {"seconds_p95": size * 0.02, "images_per_second": 100.0, "parameters": 5e6, "memory": 3e7}
    found |= {"speedup": 2.0, "speedup_low": 1.5, "speedup_high": 2.5, "reduction_share": None}
    found |= {"training_seconds": None, "training_speedup": None}
    return found | {"macs_published": 2e9, "macs_executed": 1e9} | values


@pytest.mark.slow
def test_all_rows_are_written_with_the_conditions() -> None:
    result = call(*SMALL, "-r", ".5", "-b", "2,1", "--train", "--json", "-")
    found = json.loads(result.stdout)
    keys = [(row["method"], row["keep_rate"], row["batch_size"]) for row in found["rows"]]
    models = [("none", ""), ("topk", "0.50"), ("tome", "0.50")]
    assert keys == [(*model, size) for size in (1, 2) for model in models]
    assert found["conditions"]["weights"] == "random"
    assert found["conditions"]["image"] == "3 x 64 x 64"
    assert found["conditions"]["precision"] == "float32"
    assert "torch" not in found["rows"][0]
    assert all((row["training_seconds"] is None) == (row["batch_size"] == 1) for row in found["rows"])
    progress = result.stderr.splitlines()
    assert progress[0] == "1 image at a time:"
    assert progress[2].startswith("  topk 0.50: ")
    assert progress[4] == "2 images at a time:"


def test_a_terminal_has_a_line_for_each_model_and_what_must_be_known() -> None:
    result = call(*SMALL[:-1], "topk", "-b", "1")
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines if line.startswith(("none", "topk"))] == ["none", "topk"]
    assert any(line.startswith("Random weights and images: only methods that keep ") for line in lines)
    assert any("float32; 3 x 64 x 64 pixels; fused attention; torch " in line for line in lines)


@pytest.mark.slow
def test_batches_that_do_not_fit_are_halved_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    forward = ReducedModel.forward

    def limited(self: ReducedModel, x: Any, *args: object) -> Any:
        if len(x) > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(self, x, *args)

    monkeypatch.setattr(ReducedModel, "forward", limited)
    result = call(*SMALL[:-1], "topk", "-b", "8", "--csv", "-")
    sizes = {line.split(",")[2] for line in result.stdout.splitlines()[1:]}
    assert sizes == {"2"}
    assert "tokred: topk 0.70: 8 images at a time do not fit into memory" in result.stderr


@pytest.mark.slow
def test_nothing_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(self: ReducedModel, x: Any, *args: object) -> Any:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(ReducedModel, "forward", never)
    result = call(*SMALL, "-b", "1", status=2)
    assert "tokred: error: not even one image fits into the memory of cpu" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-b", "0"), "--batch-sizes: expected whole numbers from 1, separated by commas, found '0'"),
        (("-b", "1,two"), "--batch-sizes: expected whole numbers from 1, separated by commas, found '1,two'"),
        (("-d", "tpu"), "device 'tpu': torch finds no such device; possible here: "),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], message: str) -> None:
    printed = call(*SMALL, *arguments, status=2).stderr
    assert printed.startswith(f"tokred: error: {message}")
    assert printed.count("\n") == 1


def test_a_model_s_row_has_all_throughputs_and_the_largest_batch() -> None:
    rows = [
        row("none", 1, speedup=1.0),
        row("topk", 1, images_per_second=50.0),
        row("none", 4, images_per_second=200.0, training_speedup=1.0),
        row("topk", 4, images_per_second=300.0, training_speedup=1.25, training_seconds=0.1),
        row("none", 8, images_per_second=250.0, memory=9e7),
    ]
    none, topk = benchmark._by_model(rows)
    assert (none["batch_size"], topk["batch_size"]) == (8, 4)
    assert none["memory"] == 9e7
    assert (topk["latency"], topk["latency_p95"]) == (0.01, 0.02)
    assert [topk.get(f"images_per_second_{size}") for size in (1, 4, 8)] == [50, 300, None]
    assert (none["training_speedup"], topk["training_seconds"]) == (1.0, 0.1)
    cells = {column.head: column.text(topk) for column in benchmark._columns(rows)}
    assert cells["img/s\nby 4"] == "300"
    assert cells["img/s\nby 8"] == "-"
    assert cells["latency ms\n(95th %)"] == "10.0 (20.0)"
    assert cells["speed-up\n(quartiles)"] == "2.00 (1.50-2.50)"
    assert cells["training\nspeed-up"] == "1.25"
    assert "reduction\n% of time" not in cells
