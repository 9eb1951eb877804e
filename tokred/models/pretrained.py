"""A timm Vision Transformer with its weights: timm's, those of a file, or random ones.

Files are safetensors, or PyTorch's (`.pth`) that hold tensors alone: nothing else is unpickled. Names of
tensors are timm's, or those of a publication that timm converts (DINOv2, CLIP and others).
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor

from tokred.files import read_json
from tokred.methods import registry
from tokred.models import shipped, tensor_file
from tokred.models.reduce import check_vit, reduce
from tokred.models.reduced import ReducedModel
from tokred.models.weights import assign_weights, explain_download
from tokred.names import nearest
from tokred.schedules import LOCATIONS, Schedule

#: File name suffixes of weights.
_SAFE, _PICKLED = (".safetensors",), (".pth", ".pt", ".bin", ".tar")
#: Keys under which training programs store a model's tensors, the first that is there counts.
_KEYS = ("model", "state_dict", "model_ema", "state_dict_ema")
#: What timm's conversions raise for tensors that they do not know.
_UNCONVERTIBLE = (AssertionError, AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True)
class LoadedVit:
    """A timm model and where it comes from.

    Attributes:
        vit: the model, in evaluation mode.
        name: timm's name of it.
        origin: where its weights are from: "timm", a path, or "random".
        reducers: tensors of a method's own layers that the file has beside those of the ViT.
    """

    vit: Any
    name: str
    origin: str
    reducers: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def is_random(self) -> bool:
        """Whether only its speed says anything."""
        return self.origin == "random"

    def reduced(self, method: str, schedule: Schedule) -> ReducedModel:
        """A reduced model with the ViT's parameters.

        Raises:
            ValueError: an unknown method, a schedule that it or the model cannot follow, or a method with
                layers of its own whose weights are not there (random ones will do where all are random).
        """
        if not self.reducers and not self.is_random:
            options = registry.get(method).untrained_options()
            return reduce(self.vit, method, 1.0, LOCATIONS, schedule, "representative", **options).eval()
        model = reduce(self.vit, method, schedule=schedule).eval()
        if next(model.reducers.parameters(), None) is None or self.is_random:
            return model
        own = {name: tensor for name, tensor in model.state_dict().items() if _is_own(name)}
        state = {name: t for name, t in model.state_dict().items() if not _is_own(name)}
        check_names(self.reducers, own, f"{self.origin}: layers of method {method!r}")
        model.load_state_dict({**state, **self.reducers})
        return model


def load_vit(
    model: str, weights: str | Path | None = None, random: bool = False, image_size: int | None = None
) -> LoadedVit:
    """A timm model that can be reduced, with its weights.

    The classifier is that of the weights, with as many classes as they have, or none. Position embeddings are
    resampled to the image size.

    Args:
        model: timm's name, or a file of weights whose model follows from a `config.json` beside it (as timm
            writes it) or from its name (as DeiT's, `deit_small_patch16_224-cd65a155.pth`).
        weights: a file; None for timm's pretrained weights, which are downloaded once.
        random: random weights instead.
        image_size: height and width of the input, in pixels; None for the model's own.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: an unknown model, one that cannot be reduced, weights that cannot be read or are those of
            another architecture, or no way to download them.
    """
    if weights is not None and random:
        raise ValueError("expected either a file of weights or random weights, found both")
    if weights is None and _is_file(model):
        weights, model = model, architecture_of(model)
    size: dict[str, Any] = {} if image_size is None else {"img_size": image_size}
    outline = _outline(model, size)
    vit: Any
    if random:
        torch.manual_seed(0)
        vit = timm.create_model(model, pretrained=False, **size)
        return LoadedVit(vit.eval(), model, "random")
    if weights is None:
        with explain_download(model, "`--weights` of a file, or `--random-weights` for speed alone"):
            vit = timm.create_model(model, pretrained=True, **size)
        return LoadedVit(vit.eval(), model, "timm")
    tensors = _converted(read_tensors(weights), outline)
    classifier = tensors.get("head.weight")
    num_classes = 0 if classifier is None else len(classifier)
    vit = timm.create_model(model, pretrained=False, num_classes=num_classes, **size)
    reducers = {name: tensor for name, tensor in tensors.items() if _is_own(name)}
    own = {name: tensor for name, tensor in tensors.items() if not _is_own(name)}
    assign_weights(vit, own, f"{weights} for {model}")
    return LoadedVit(vit.eval(), model, str(weights), reducers)


def check_name(model: str) -> None:
    """Raise ValueError, with the nearest name, for a model that timm does not have."""
    base = model.partition(".")[0]
    if ":" not in model and not timm.is_model(base):  # with a colon: of a hub or a folder
        similar = nearest(base, timm.list_models())
        raise ValueError(f"model {model!r}: timm has none of that name, and it is no file{similar}")


def architecture_of(path: str | Path) -> str:
    """timm's name of the model whose weights a file has.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: neither a `config.json` beside it nor its own name says so.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected weights, or the name of a model of timm")
    beside = path.with_name("config.json")
    if beside.is_file():
        name = read_json(beside, "timm's description of a model").get("architecture")
        if isinstance(name, str) and timm.is_model(name):
            return name
    name = path.name.partition("-")[0].partition(".")[0]
    if not timm.is_model(name):
        raise ValueError(
            f"{path}: of which model? Neither its name nor a config.json beside it says so: name the model, "
            "and pass the file as --weights"
        )
    return name


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a file of weights, by name.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is neither safetensors nor PyTorch's, is damaged, or holds other objects than tensors.
    """
    path = Path(path)
    if path.suffix in _SAFE or path.is_dir():
        shipped.check(path)
        return tensor_file.load(path, "weights", foreign=True)[0]
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; expected weights")
    if path.suffix not in _PICKLED:
        raise ValueError(f"{path}: expected weights as {', '.join((*_SAFE, *_PICKLED))}")
    tensors = _unwrapped(_unpickled(path))
    if not tensors or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
        raise ValueError(
            f"{path}: expected tensors by name, directly or in a key {' or '.join(map(repr, _KEYS))}, found "
            f"{', '.join(map(repr, list(tensors)[:5])) or 'nothing'}"
        )
    return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}


def check_names(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], source: str) -> None:
    """Raise ValueError, in one line, unless two mappings have the same names and shapes."""
    names = sorted({*found} ^ {*expected})
    names += sorted(n for n in {*found} & {*expected} if found[n].shape != expected[n].shape)
    if names:
        raise ValueError(f"{source} are of another model: {len(names)} tensors differ, such as {names[0]}")


def _is_file(model: str) -> bool:
    return Path(model).is_file() or model.endswith((*_SAFE, *_PICKLED)) or ("/" in model and ":" not in model)


def _is_own(name: str) -> bool:
    """Whether a tensor belongs to a method's own layers."""
    return name.startswith("reducers.")


def _outline(model: str, size: Mapping[str, Any]) -> Any:
    """The model without values, for its names and shapes; ValueError if it cannot be made or reduced."""
    check_name(model)
    try:
        with torch.device("meta"):
            outline = timm.create_model(model, pretrained=False, **size)
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        asked = f" with images of {size['img_size']} pixels" if size else ""
        raise ValueError(f"timm cannot make model {model!r}{asked}: {reason}") from error
    try:
        check_vit(outline)
    except ValueError as error:
        raise ValueError(f"model {model!r}: {error}") from error
    return outline


def _unpickled(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path}: is damaged, or holds other Python objects than tensors, which are not unpickled; save "
            "the model's state dict alone"
        ) from error
    except (EOFError, KeyError, OSError, RuntimeError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read: {str(error).partition(chr(10))[0]}") from error


def _unwrapped(content: Any) -> dict[str, Any]:
    """The mapping of tensors inside the content of a file."""
    while isinstance(content, Mapping):
        inner = next((content[key] for key in _KEYS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            return {str(name): tensor for name, tensor in content.items()}
        content = inner
    return {}


def _converted(tensors: dict[str, Tensor], outline: Any) -> dict[str, Tensor]:
    """Tensors under timm's names; as they are if timm cannot convert them."""
    wanted = {name for name in outline.state_dict() if not name.startswith("head")}
    if wanted <= {*tensors}:
        return {name: tensor for name, tensor in tensors.items() if name != "mask_token"}
    convert = getattr(sys.modules[type(outline).__module__], "checkpoint_filter_fn", None)
    try:
        return tensors if convert is None else dict(convert(dict(tensors), outline))
    except _UNCONVERTIBLE:
        return tensors
