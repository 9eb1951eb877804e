"""`tokred benchmark`: how fast reduced models are on this machine, without data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from tokred.cli import options
from tokred.cli.report import NOTHING, Column, Output, Report, Row, progress_console, speedup
from tokred.cli.selection import Selection
from tokred.run import UNREDUCED

if TYPE_CHECKING:
    from torch import Tensor

    from tokred.efficiency.sweep import Effort
    from tokred.models.pretrained import LoadedVit

_MEASUREMENT = "Measurement"
#: Batch sizes by kind of device, if none are named: up to the largest that fits.
_SIZES = {"cpu": (1, 8, 32), "gpu": tuple(2**power for power in range(11))}
#: Images of a folder that are used, repeated for larger batches.
_IMAGES = 64
BatchSizes = Annotated[
    str | None,
    typer.Option(
        "--batch-sizes",
        "-b",
        metavar="SIZES",
        help="Images per forward pass, separated by commas; those that do not fit into memory are halved. "
        "Default: 1, 8, 32 on a CPU, else 1, 2, 4, ... up to the largest that fits.",
        rich_help_panel=_MEASUREMENT,
        show_default=False,
    ),
]
Train = Annotated[
    bool,
    typer.Option(
        "--train",
        help="Measure training steps as well, at the second batch size, or the only one.",
        rich_help_panel=_MEASUREMENT,
    ),
]
Repeats = Annotated[
    int,
    typer.Option(
        "--repeats", min=1, metavar="ROUNDS", help="Rounds of all models.", rich_help_panel=_MEASUREMENT
    ),
]
Seconds = Annotated[
    float,
    typer.Option(
        "--seconds",
        min=0,
        metavar="SECONDS",
        help="After so many seconds no further round of a batch size begins.",
        rich_help_panel=_MEASUREMENT,
    ),
]
Images = Annotated[
    Path | None,
    typer.Option(
        "--images",
        "-i",
        metavar="FOLDER",
        help="Images, for methods that keep another number of tokens of each. Default: noise.",
        rich_help_panel=_MEASUREMENT,
        show_default=False,
    ),
]


def benchmark(
    model: options.Model,
    methods: options.Methods,
    keep_rates: options.KeepRates = None,
    schedule: options.Schedule = "stages",
    weights: options.Weights = None,
    image_size: options.ImageSize = None,
    images: Images = None,
    batch_sizes: BatchSizes = None,
    train: Train = False,
    repeats: Repeats = 20,
    seconds: Seconds = 20.0,
    device: options.Device = "auto",
    precision: options.Precision = "fp32",
    compiled: options.Compile = False,
    json: options.Json = None,
    csv: options.Csv = None,
    parquet: options.Parquet = None,
) -> None:
    """Measure how fast reduced models are on this machine: latency, images per second, memory, training.

    All models run in turn, without reading images. Weights are random unless they are in a file, as only
    methods that keep another number of tokens of each image depend on them; nothing is downloaded.

    [dim]tokred benchmark deit_small_patch16_224 --methods topk,tome --keep-rates .5,.7[/dim]
    """
    output = Output(json, csv, parquet)
    output.check()
    selection = Selection.of(methods, keep_rates, schedule)
    precision = options.one_of("--precision", precision, options.PRECISIONS)
    sizes = None if batch_sizes is None else _sizes(batch_sizes)
    console = progress_console()

    from tokred.efficiency.conditions import Conditions
    from tokred.efficiency.sweep import Effort, sweep
    from tokred.models.pretrained import load_vit
    from tokred.runtime.device import find, raise_malloc_thresholds

    raise_malloc_thresholds()
    place = find(device)
    sizes = sizes or _SIZES["cpu" if place.type == "cpu" else "gpu"]
    loaded = load_vit(model, weights, weights is None and not Path(model).is_file(), image_size)
    pixels = _pixels(loaded, images, max(sizes)).to(place)
    configurations, left_out = selection.configurations(loaded)
    for each in configurations:
        each.model.to(place)
    effort = Effort(
        sizes=sizes,
        training_size=sizes[min(1, len(sizes) - 1)] if train else None,
        precision=precision,
        compiled=compiled,
        repeats=repeats,
        seconds=seconds,
    )
    progress = _Progress(console)
    rows = []
    for row in sweep(configurations, pixels, effort, lambda text: progress.tell(f"tokred: {text}")):
        progress.add(row)
        rows.append(row)
    if not rows:
        raise ValueError(f"not even one image fits into the memory of {place}")
    notes = [_conditions(rows[0], place.type), *_about(loaded, images, effort), *left_out]
    about = {"model": loaded.name, "weights": loaded.origin, "images": str(images or "noise")}
    about |= {field.name: rows[0][field.name] for field in fields(Conditions)}
    details = [{name: value for name, value in row.items() if name not in about} for row in rows]
    title = f"{loaded.name}: speed of reduced models"
    output.write(Report(title, _columns(rows), details, about, notes, _by_model(rows)))


def _sizes(text: str) -> tuple[int, ...]:
    """Ascending batch sizes in a text with commas; ValueError for a text that has no such numbers."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(re.fullmatch(r"[1-9][0-9]*", part) for part in parts):
        raise ValueError(f"--batch-sizes: expected whole numbers from 1, separated by commas, found {text!r}")
    return tuple(sorted({int(part) for part in parts}))


def _pixels(loaded: LoadedVit, folder: Path | None, count: int) -> Tensor:
    """(B, 3, height, width) images of a folder, or noise."""
    import torch

    from tokred.data.image_files import ImageReader, Preprocessing, list_images

    preprocessing, count = Preprocessing.of(loaded.vit, None), min(count, _IMAGES)
    if folder is None:
        height, width = preprocessing.config["input_size"][1:]
        return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(0))
    reader = ImageReader(list_images(folder).limited(count), preprocessing.pixels(), 1, False)
    batch = next(iter(reader.batches(count)))
    return preprocessing.normalize(batch.pixels, torch.device("cpu"))


class _Progress:
    """A line for each batch size as soon as it is measured, on the standard error stream."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._size = 0

    def add(self, row: Row) -> None:
        """A result."""
        if row["batch_size"] != self._size:
            self._size = row["batch_size"]
            self.tell(f"{self._size} {'image' if self._size == 1 else 'images'} at a time:")
        name = f"{row['method']} {row['keep_rate']}".strip()
        self.tell(f"  {name}: {row['images_per_second']:.4g} images/s, {speedup(row)} x")

    def tell(self, text: str) -> None:
        """A line."""
        self._console.print(text, markup=False, highlight=False)


def _by_model(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """One row for each model: that of its largest batch, with the latency and all throughputs."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: int(row["batch_size"])):
        key = (row["method"], row["keep_rate"])
        merged = {**found.get(key, {}), **row}
        merged[f"images_per_second_{row['batch_size']}"] = row["images_per_second"]
        if row["batch_size"] == 1:
            merged |= {"latency": row["seconds"], "latency_p95": row["seconds_p95"]}
        for name in ("training_seconds", "training_speedup"):  # of one batch size
            if row[name] is None:
                merged[name] = found.get(key, {}).get(name)
        found[key] = merged
    first = [(row["method"], row["keep_rate"]) for row in rows]
    return [found[key] for key in dict.fromkeys(first)]


def _columns(rows: Sequence[Row]) -> list[Column]:
    """What a terminal shows; the last to be left out first."""
    sizes = sorted({int(row["batch_size"]) for row in rows})
    largest = sizes[-1]
    columns = [
        Column("method", lambda row: str(row["method"]), right=False),
        Column("keep\nrate", lambda row: str(row["keep_rate"] or NOTHING)),
        Column("GMACs", lambda row: _number(row, "macs_published", ".2f", 1e9)),
        Column("GMACs\nexecuted", lambda row: _number(row, "macs_executed", ".2f", 1e9), drop=5),
        Column("parameters\n10^6", lambda row: _number(row, "parameters", ".1f", 1e6), drop=8),
        Column("latency ms\n(95th %)", _latency, drop=2),
        *(
            Column(f"img/s\nby {size}", _throughput(size), drop=0 if size == largest else 7)
            for size in sizes
            if size > 1 or len(sizes) == 1
        ),
        Column("speed-up\n(quartiles)", speedup),
        Column("memory\nMB", lambda row: _number(row, "memory", ".0f", 1e6), drop=3),
        Column("reduction\n% of time", lambda row: _number(row, "reduction_share", ".1f", 0.01), drop=4),
        Column("training\nspeed-up", lambda row: _number(row, "training_speedup", ".2f"), drop=1),
    ]
    merged = _by_model(rows)
    return [column for column in columns if any(column.text(row) != NOTHING for row in merged)]


def _number(row: Row, name: str, digits: str, unit: float = 1.0) -> str:
    value = row.get(name)
    return NOTHING if value is None else format(value / unit, digits)


def _throughput(size: int) -> Any:
    return lambda row: _number(row, f"images_per_second_{size}", ".4g")


def _latency(row: Row) -> str:
    if "latency" not in row:
        return NOTHING
    return f"{1e3 * row['latency']:.1f} ({1e3 * row['latency_p95']:.1f})"


def _conditions(row: Row, kind: str) -> str:
    """The line that says how everything was measured."""
    threads = f", {row['threads']} thread{'s' * (row['threads'] > 1)}" if kind == "cpu" else ""
    parts = (
        f"{row['device']}{threads}",
        f"{row['precision']}{', compiled' if row['compiled'] else ''}",
        f"{row['image']} pixels",
        f"{'' if row['fused_attention'] else 'no '}fused attention",
        f"torch {row['torch']}",
        f"timm {row['timm']}",
    )
    return "; ".join(parts)


def _about(loaded: LoadedVit, images: Path | None, effort: Effort) -> list[str]:
    """What a reader of the table must know."""
    lines = []
    if loaded.is_random or images is None:
        parts = ["weights"] * loaded.is_random + ["images"] * (images is None)
        what = "only methods that keep another number of tokens of each image depend on them"
        lines.append(f"Random {' and '.join(parts)}: {what}.")
    lines.append("Speed-up, memory and share of the reduction at each model's largest batch.")
    if effort.training_size is not None:
        lines.append(f"Training steps with {effort.training_size} images, in turn with {UNREDUCED}.")
    return lines
