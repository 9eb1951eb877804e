"""Models of a study: a backbone of the configuration, reduced by a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import timm
import torch
from timm.models.vision_transformer import VisionTransformer

from tokred.models.reduce import reduce
from tokred.models.vision_transformer import ReducedVisionTransformer
from tokred.run import Run
from tokred.settings import Backbone


def build_vit(backbone: Backbone, num_classes: int, drop_path: float = 0.0) -> VisionTransformer:
    """The timm model that a configuration describes, with random weights.

    Raises:
        ValueError: timm has no such model, or it is not what the configuration says it is.
    """
    try:
        vit = timm.create_model(
            backbone.model,
            pretrained=False,
            num_classes=num_classes,
            img_size=backbone.image_size,
            patch_size=backbone.patch_size,
            depth=backbone.depth,
            drop_path_rate=drop_path,
            **backbone.kwargs,
        )
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"timm cannot make backbone {backbone.model!r}: {error}") from error
    return vit


def build_model(
    run: Run,
    backbone: Backbone,
    options: Mapping[str, object],
    locations: Sequence[int],
    num_classes: int,
    drop_path: float = 0.0,
) -> ReducedVisionTransformer:
    """The reduced model of a run, its random parameters drawn from the run's seed."""
    torch.manual_seed(run.seed_for("init"))
    vit = build_vit(backbone, num_classes, drop_path)
    return reduce(vit, run.method, run.keep_rate, locations, **options)


def reset_classifier(model: VisionTransformer, run: Run, values: str = "linear") -> None:
    """Initial values of a classifier that is trained for other classes than the pretrained weights know.

    timm gives a ViT's classifier others: a truncated normal, or zeros (`weight_init: jax`).

    Args:
        values: "linear": those of PyTorch's `nn.Linear`, as in the published code, drawn from the run's seed;
            "zeros".
    """
    torch.manual_seed(run.seed_for("classifier"))
    model.head.reset_parameters()
    if values == "zeros":
        torch.nn.init.zeros_(model.head.weight)
        torch.nn.init.zeros_(model.head.bias)
