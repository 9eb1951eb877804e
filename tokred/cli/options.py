"""Options that several commands share, and what their texts mean."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from tokred.methods import registry
from tokred.run import UNREDUCED, canonical_rate
from tokred.validation import check_unique

_MODEL, _REDUCTION, _COMPUTATION, _OUTPUT = "Model", "Token reduction", "Computation", "Output"

#: Names of precisions, and torch's.
PRECISIONS = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Name of a Vision Transformer in timm; or a file of weights whose name begins with it, or "
        "beside which a config.json has it.",
        show_default=False,
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        "-w",
        metavar="FILE",
        help="Weights of the model: safetensors, or .pth with tensors alone, also in a key `model`, "
        "`state_dict` or `model_ema`. Default: timm's.",
        rich_help_panel=_MODEL,
        show_default=False,
    ),
]
RandomWeights = Annotated[
    bool,
    typer.Option(
        "--random-weights",
        help="No weights: for speed alone, and without a network.",
        rich_help_panel=_MODEL,
    ),
]
ImageSize = Annotated[
    int | None,
    typer.Option(
        "--image-size",
        min=1,
        metavar="PIXELS",
        help="Height and width of the model's input. Default: the model's.",
        rich_help_panel=_MODEL,
        show_default=False,
    ),
]
Methods = Annotated[
    str,
    typer.Option(
        "--methods",
        "-m",
        metavar="NAMES",
        help="Methods, separated by commas, or `all`; `tokred methods` lists them.",
        rich_help_panel=_REDUCTION,
        show_default=False,
    ),
]
KeepRates = Annotated[
    str | None,
    typer.Option(
        "--keep-rates",
        "-r",
        metavar="RATES",
        help="Keep rates in (0, 1], separated by commas. Default: 0.7.",
        rich_help_panel=_REDUCTION,
        show_default=False,
    ),
]
Schedule = Annotated[
    str,
    typer.Option(
        "--schedule",
        "-s",
        metavar="SCHEDULE",
        help="How many tokens each block leaves: `stages` (blocks 3, 6 and 9), `matched:constant` (the "
        "same number in all blocks, at the cost of these stages), or another one; see docs/command-line.md.",
        rich_help_panel=_REDUCTION,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        "-d",
        metavar="DEVICE",
        help="`auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:1`.",
        rich_help_panel=_COMPUTATION,
    ),
]
Precision = Annotated[
    str,
    typer.Option(
        "--precision",
        "-p",
        metavar="TYPE",
        help="`fp32`, `bf16` or `fp16`.",
        rich_help_panel=_COMPUTATION,
    ),
]
Compile = Annotated[
    bool,
    typer.Option("--compile", help="Compile each model by torch.compile.", rich_help_panel=_COMPUTATION),
]
BatchSize = Annotated[
    int,
    typer.Option(
        "--batch-size",
        "-b",
        min=1,
        metavar="IMAGES",
        help="Images per forward pass.",
        rich_help_panel=_COMPUTATION,
    ),
]
Json = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="FILE",
        help="Write all columns and conditions as JSON; `-` for the standard output.",
        rich_help_panel=_OUTPUT,
        show_default=False,
    ),
]
Csv = Annotated[
    str | None,
    typer.Option(
        "--csv",
        metavar="FILE",
        help="The same as CSV; `-` for the standard output.",
        rich_help_panel=_OUTPUT,
        show_default=False,
    ),
]
Parquet = Annotated[
    Path | None,
    typer.Option(
        "--parquet", metavar="FILE", help="The same as Parquet.", rich_help_panel=_OUTPUT, show_default=False
    ),
]


def method_names(text: str) -> list[str]:
    """Names of methods in a text with commas, without the unreduced model, which is always there.

    Raises ValueError for an unknown name, one that stands twice, or none at all.
    """
    names = _parts("--methods", text, "names of methods")
    for name in names:
        registry.get(name)
    return [name for name in names if name != UNREDUCED]


def one_of(option: str, text: str, values: Mapping[str, str]) -> str:
    """The value of a word, or the value itself; ValueError with those that there are."""
    if text not in {**values, **dict.fromkeys(values.values())}:
        raise ValueError(f"{option} {text!r}: expected {', '.join(values)}")
    return values.get(text, text)


def keep_rates(text: str) -> list[str]:
    """Canonical keep rates in a text with commas; ValueError for one that is none, or stands twice."""
    rates = [canonical_rate(rate) for rate in _parts("--keep-rates", text, "keep rates in (0, 1]")]
    check_unique("--keep-rates", rates)
    return rates


def _parts(option: str, text: str, expected: str) -> list[str]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise ValueError(f"{option}: expected {expected}, separated by commas, found {text!r}")
    check_unique(option, parts)
    return parts
