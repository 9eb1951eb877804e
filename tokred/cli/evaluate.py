"""`tokred evaluate`: what methods cost and save on someone's own model, images and machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tokred.cli import options
from tokred.cli.report import NOTHING, Column, Output, Report, Row, progress_console, speedup
from tokred.cli.selection import Selection

if TYPE_CHECKING:
    from tokred.efficiency.off_the_shelf import Result, Trial

_IMAGES = "Images"
#: Unreadable images that are listed under the table.
_SHOWN = 5

Images = Annotated[
    Path,
    typer.Option(
        "--images",
        "-i",
        metavar="FOLDER",
        help="Images, or one folder of them per class; ImageNet's classes by their WordNet ids, or its "
        "validation images beside the development kit.",
        rich_help_panel=_IMAGES,
        show_default=False,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        "-n",
        min=1,
        metavar="IMAGES",
        help="Only so many images, evenly spread over the folder.",
        rich_help_panel=_IMAGES,
        show_default=False,
    ),
]
CropPct = Annotated[
    float | None,
    typer.Option(
        "--crop-pct",
        min=0.1,
        max=1.0,
        metavar="FRACTION",
        help="Part of the shorter side that the central crop shows. Default: the model's.",
        rich_help_panel=_IMAGES,
        show_default=False,
    ),
]
SkipUnreadable = Annotated[
    bool,
    typer.Option(
        "--skip-unreadable",
        help="Leave out images that cannot be read, and list them.",
        rich_help_panel=_IMAGES,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        metavar="THREADS",
        help="Threads that decode images. Default: as many as cores, at most 8.",
        rich_help_panel=_IMAGES,
        show_default=False,
    ),
]
Protocol = Annotated[
    str,
    typer.Option(
        "--protocol",
        metavar="PROTOCOL",
        help="With labels: `head` (accuracy of the classifier), `neighbors` (nearest neighbors of the "
        "features), or `auto` (the first that is possible).",
        rich_help_panel="Judgment",
    ),
]
Neighbors = Annotated[
    int,
    typer.Option(
        "--neighbors",
        "-k",
        min=1,
        metavar="K",
        help="Number of nearest neighbors.",
        rich_help_panel="Judgment",
    ),
]
Support = Annotated[
    Path | None,
    typer.Option(
        "--support",
        metavar="FOLDER",
        help="Images in the same class folders among which neighbors are looked for. "
        "Default: all other images.",
        rich_help_panel="Judgment",
        show_default=False,
    ),
]


def evaluate(
    model: options.Model,
    images: Images,
    methods: options.Methods,
    keep_rates: options.KeepRates = None,
    schedule: options.Schedule = "stages",
    weights: options.Weights = None,
    random_weights: options.RandomWeights = False,
    image_size: options.ImageSize = None,
    limit: Limit = None,
    crop_pct: CropPct = None,
    skip_unreadable: SkipUnreadable = False,
    workers: Workers = None,
    protocol: Protocol = "auto",
    neighbors: Neighbors = 20,
    support: Support = None,
    device: options.Device = "auto",
    precision: options.Precision = "fp32",
    compiled: options.Compile = False,
    batch_size: options.BatchSize = 64,
    json: options.Json = None,
    csv: options.Csv = None,
    parquet: options.Parquet = None,
) -> None:
    """Compare reduced models with the unreduced one: what is lost, and what is saved.

    All models see every image in turn. Without labels, it counts how often they agree.

    [dim]tokred evaluate deit_small_patch16_224 --images photos --methods topk,tome --keep-rates .5,.7[/dim]
    """
    output = Output(json, csv, parquet)
    output.check()
    selection = Selection.of(methods, keep_rates, schedule)
    precision = options.one_of("--precision", precision, options.PRECISIONS)
    console = progress_console()
    with _status(console, "starting"):
        from tokred.data.image_files import Preprocessing, list_images
        from tokred.efficiency.judging import match_labels
        from tokred.efficiency.off_the_shelf import Trial
        from tokred.models.pretrained import load_vit
        from tokred.runtime.device import find, raise_malloc_thresholds

        raise_malloc_thresholds()
        place = find(device)
        files = list_images(images).limited(limit)
        others = None if support is None else list_images(support, files.classes)
        loaded = load_vit(model, weights, random_weights, image_size)
        labels = match_labels(protocol, files.labels, files.classes, loaded.vit)
        if others is not None and labels.protocol != "neighbors":
            raise ValueError("--support: only nearest neighbors need it: expected --protocol neighbors")
        configurations, left_out = selection.configurations(loaded)
    trial = Trial(
        loaded=loaded,
        configurations=configurations,
        files=files,
        labels=labels,
        preprocessing=Preprocessing.of(loaded.vit, crop_pct),
        device=place,
        precision=precision,
        compiled=compiled,
        batch_size=batch_size,
        workers=workers or min(8, os.cpu_count() or 1),
        skip_unreadable=skip_unreadable,
        num_neighbors=neighbors,
        support=others,
    )
    result = _run(trial, console)
    notes = [*_conditions(result), *_about(trial, result), *left_out]
    if result.rows:
        output.write(Report(_title(result), _columns(result), result.rows, result.conditions, notes))
    if result.problem is not None:
        raise result.problem
    if not result.complete:
        raise typer.Exit(130)


def _run(trial: Trial, console: Console) -> Result:
    """The result, with a progress bar in a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("passes of images", total=trial.passes)

        def advance(count: int) -> None:
            progress.advance(task, count)
            if progress.tasks[task].finished:
                progress.update(task, description="latency and memory")

        trial.progress = advance
        trial.notice = lambda text: progress.console.print(f"tokred: {text}", markup=False, highlight=False)
        return trial.run()


@contextmanager
def _status(console: Console, text: str) -> Iterator[None]:
    """A moving sign in a terminal while nothing else moves."""
    if not console.is_terminal:
        yield
        return
    with console.status(text):
        yield


def _title(result: Result) -> str:
    rows, conditions = result.rows, result.conditions
    start = "" if result.complete else "incomplete: "
    return f"{start}{conditions['model']}, {rows[0]['images']} images of {conditions['folder']}"


def _columns(result: Result) -> list[Column]:
    """What a terminal shows; the last to be left out first."""
    columns = [
        Column("method", lambda row: str(row["method"]), right=False),
        Column("keep\nrate", lambda row: _number(row["keep_rate"], ".2f")),
        Column("top-1\n%", lambda row: _number(row["accuracy"], ".1f")),
        Column("loss\npoints", _loss),
        Column("agree\n%", lambda row: _number(row["agreement"], ".1f"), drop=1),
        Column("cosine", lambda row: _number(row["cosine"], ".3f"), drop=4),
        Column("GMACs", lambda row: _number(row.get("macs"), ".2f", 1e9)),
        Column("img/s", lambda row: _number(row["images_per_second"], _digits(row["images_per_second"]))),
        Column("speed-up\n(quartiles)", speedup),
        Column("latency\nms", lambda row: _number(row.get("latency"), ".1f", 1e-3), drop=2),
        Column("memory\nMB", lambda row: _number(row.get("memory"), ".0f", 1e6), drop=3),
    ]
    return [column for column in columns if any(column.text(row) != NOTHING for row in result.rows)]


def _number(value: float | None, digits: str, unit: float = 1.0) -> str:
    return NOTHING if value is None else format(value / unit, digits)


def _digits(value: float | None) -> str:
    return ".1f" if value is not None and value < 100 else ".0f"


def _loss(row: Row) -> str:
    if row["loss"] is None:
        return NOTHING
    return f"{row['loss']:.1f} ±{row['loss_half_width']:.1f}"


def _conditions(result: Result) -> list[str]:
    """The line that says how everything was measured."""
    found = result.conditions
    batch = result.rows[0]["batch_size"] if result.rows else None
    threads = "" if "cuda" in str(found["torch_device"]) else f", {_counted(found['threads'], 'thread')}"
    parts = (
        f"{found['device']}{threads}",
        f"{found['precision']}{', compiled' if found['compiled'] else ''}",
        f"batches of {batch}",
        f"{found['image']} pixels",
        f"torch {found['torch']}",
        f"timm {found['timm']}",
    )
    return ["; ".join(parts)]


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _about(trial: Trial, result: Result) -> Iterator[str]:
    """What a reader of the table must know."""
    if not result.complete:
        yield f"Incomplete: {result.rows[0]['images'] if result.rows else 0} of {len(trial.files)} images."
    if trial.loaded.is_random:
        yield "Weights are random: only the speed says anything."
    elif trial.labels.protocol == "neighbors":
        among = "all other images" if trial.support is None else trial.support.folder
        yield f"top-1 by {trial.num_neighbors} nearest neighbors of the features among {among}."
        if trial.labels.reason:
            yield f"Not by a classifier, as {trial.labels.reason}."
    if trial.files.hint:
        yield trial.files.hint
    if any(row["not_finite"] for row in result.rows):
        worst = max(result.rows, key=lambda row: row["not_finite"] or 0)
        yield f"Outputs are infinite or NaN for {worst['not_finite']} images with {worst['method']}."
    if result.unreadable:
        listed = "; ".join(f"{path}: {reason}" for path, reason in result.unreadable[:_SHOWN])
        more = len(result.unreadable) - _SHOWN
        count = _counted(len(result.unreadable), "image")
        were = "was" if len(result.unreadable) == 1 else "were"
        yield f"{count} {were} left out: {listed}{f'; and {more} more' if more > 0 else ''}."
