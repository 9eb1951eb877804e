"""`tokred show`: a picture of what methods keep and merge of an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from tokred.cli import options
from tokred.cli.report import progress_console
from tokred.cli.selection import Selection
from tokred.schedules.text import WITH_KEEP_RATE, kind_of

if TYPE_CHECKING:
    from PIL import Image as Picture
    from torch import Tensor

    from tokred.artifacts.token_pictures import Part
    from tokred.data.image_files import Preprocessing
    from tokred.models.pretrained import LoadedVit
    from tokred.models.reduced import ReducedModel

#: Formats of the picture.
_FORMATS = (".png", ".pdf", ".svg")
#: The picture has at least so many pixels from top to bottom: more than the model sees, for people.
_TALL = 440
_PICTURE = "Picture"

Image = Annotated[
    Path, typer.Argument(metavar="IMAGE", help="A photograph or another image.", show_default=False)
]
Methods = Annotated[
    str,
    typer.Option(
        "--methods",
        "-m",
        metavar="NAMES",
        help="Methods, separated by commas, or `all`; `tokred methods` lists them.",
        rich_help_panel="Token reduction",
    ),
]
KeepRates = Annotated[
    str | None,
    typer.Option(
        "--keep-rates",
        "-r",
        metavar="RATES",
        help="Keep rates in (0, 1], separated by commas. Default: 0.5.",
        rich_help_panel="Token reduction",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE",
        help="The picture: .png, .pdf or .svg. Default: the image's name with -tokens.png, in this folder.",
        rich_help_panel=_PICTURE,
        show_default=False,
    ),
]
Shown = Annotated[
    str,
    typer.Option(
        "--part",
        metavar="PART",
        help="`kept`: dropped tokens are dimmed. `clusters`: merged tokens have one color and an outline. "
        "`both`: whatever a method does; a dot marks the center of a cluster.",
        rich_help_panel=_PICTURE,
    ),
]
After = Annotated[
    str | None,
    typer.Option(
        "--after",
        metavar="NUMBERS",
        help="Numbers of blocks after which tokens are shown, such as 3,6,9,12. Default: those in which the "
        "schedule has stages, or four of many.",
        rich_help_panel=_PICTURE,
        show_default=False,
    ),
]


def show(
    model: options.Model,
    image: Image,
    methods: Methods = "topk,tome,kmedoids",
    keep_rates: KeepRates = None,
    schedule: options.Schedule = "stages",
    weights: options.Weights = None,
    random_weights: options.RandomWeights = False,
    image_size: options.ImageSize = None,
    out: Out = None,
    part: Shown = "both",
    after: After = None,
    device: options.Device = "auto",
) -> None:
    """Draw what methods keep and merge of an image, block by block.

    [dim]tokred show deit_small_patch16_224 cat.jpg --methods topk,tome --keep-rates .7,.5[/dim]
    """
    path = _checked(out or Path(f"{image.stem}-tokens.png"))
    chosen_part = _part(part)
    if keep_rates is None and kind_of(schedule) in WITH_KEEP_RATE:
        keep_rates = "0.5"
    selection = Selection.of(methods, keep_rates, schedule)
    picture = _read(image)

    from tokred.artifacts import style
    from tokred.cli import image_in_models
    from tokred.data.image_files import Preprocessing
    from tokred.models.pretrained import load_vit
    from tokred.runtime.device import find

    place = find(device)
    loaded = load_vit(model, weights, random_weights, image_size)
    loaded.vit.to(place)
    models, notes = _models(selection, loaded)
    made = [reduced for row in models.values() for reduced in row if reduced is not None]
    blocks = image_in_models.blocks_to_show(made) if after is None else _blocks(after, len(loaded.vit.blocks))
    preprocessing = Preprocessing.of(loaded.vit)
    inputs = preprocessing.normalize(preprocessing.pixels()(picture).unsqueeze(0), place)
    groups = [f"$r$ = {style.percent(rate)} %" if rate else "" for rate in selection.schedules]
    figure = image_in_models.draw(
        _larger(preprocessing, picture), inputs, models, groups, blocks, chosen_part
    )
    style.save(figure, path, f"{image.name} in {loaded.name}")
    if loaded.is_random:
        notes.append("Weights are random: the picture says nothing about a trained model.")
    console = progress_console()
    for note in notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    print(path)


def _part(text: str) -> Part:
    from tokred.artifacts.token_pictures import Part

    return cast("Part", options.one_of("--part", text, {name: name for name in get_args(Part)}))


def _checked(path: Path) -> Path:
    """The file of the picture; ValueError if it cannot be written, before anything is computed."""
    if path.suffix.lower() not in _FORMATS:
        raise ValueError(f"--out {path}: expected a file that ends in {', '.join(_FORMATS)}")
    if not path.absolute().parent.is_dir():
        raise ValueError(f"--out {path}: there is no folder {path.absolute().parent}")
    return path


def _read(path: Path) -> Picture.Image:
    """The RGB image of a file."""
    from tokred.data.decoding import decode

    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; expected an image")
    try:
        return decode(str(path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _models(
    selection: Selection, loaded: LoadedVit
) -> tuple[dict[str, list[ReducedModel | None]], list[str]]:
    """The model of each method at each keep rate, and notes about those that cannot be.

    Raises ValueError where a method can follow none of the schedules, unless all methods were asked for.
    """
    models: dict[str, list[ReducedModel | None]] = {}
    notes = []
    for name in selection.methods:
        row: list[ReducedModel | None] = []
        for rate, schedule in selection.schedules.items():
            try:
                row.append(loaded.reduced(name, schedule))
            except ValueError as error:
                if not selection.lenient and len(selection.schedules) == 1:
                    raise
                row.append(None)
                notes.append(f"Without {name} {rate}: {error}.")
        if any(reduced is not None for reduced in row):
            models[name] = row
    if not models:
        raise ValueError(notes[0] if notes else "--methods: expected methods besides the unreduced model")
    return models, notes


def _blocks(text: str, depth: int) -> list[int]:
    """Indices of blocks from numbers of blocks in a text with commas."""
    parts = [part.strip() for part in text.split(",")]
    numbers = [int(part) for part in parts if part.isdecimal()]
    if len(numbers) != len(parts) or numbers != sorted({*numbers} & {*range(1, depth + 1)}):
        raise ValueError(f"--after {text}: expected increasing numbers from 1 to {depth}, as in 3,6,9")
    return [number - 1 for number in numbers]


def _larger(preprocessing: Preprocessing, picture: Picture.Image) -> Any:
    """(height, width, 3) what the model sees, values in [0, 1], in a multiple of its resolution."""
    _, height, width = preprocessing.config["input_size"]
    times = max(1, -(-_TALL // height))
    size = (3, times * height, times * width)
    pixels: Tensor = type(preprocessing)({**preprocessing.config, "input_size": size}).pixels()(picture)
    return pixels.permute(1, 2, 0).numpy() / 255
