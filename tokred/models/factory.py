"""Models of a study: a backbone of the configuration, reduced by a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import timm
import torch
from timm.models.vision_transformer import VisionTransformer

from tokred.models.reduce import check_vit, reduce
from tokred.models.reduced import ReducedModel
from tokred.run import Run
from tokred.schedules import LOCATIONS, Schedule
from tokred.schedules.timm_sizes import grid_of
from tokred.settings import Backbone


def build_vit(backbone: Backbone, num_classes: int, drop_path: float = 0.0) -> VisionTransformer:
    """The timm model that a configuration describes, with random weights.

    Raises:
        ValueError: timm cannot create the model with these settings, its tokens cannot be reduced, or their
            number is not that of the configuration.
    """
    try:
        vit: Any = timm.create_model(  # or another class that can be reduced
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
    try:
        check_vit(vit)
    except ValueError as error:
        raise ValueError(f"backbone {backbone.model!r}: {error}") from error
    if (grid := grid_of(vit)) != backbone.grid:
        raise ValueError(
            f"backbone {backbone.model!r}: expected {backbone.grid[0]} x {backbone.grid[1]} tokens by its "
            f"image_size and patch_size, and the model has {grid[0]} x {grid[1]}"
        )
    return cast("VisionTransformer", vit)


def build_model(
    run: Run,
    backbone: Backbone,
    options: Mapping[str, object],
    locations: Sequence[int],
    num_classes: int,
    drop_path: float = 0.0,
    schedule: Schedule | None = None,
) -> ReducedModel:
    """The reduced model of a run, with random parameters drawn from the run's seed.

    Args:
        locations: blocks of the paper's stages.
        schedule: takes the place of the paper's stages.
    """
    torch.manual_seed(run.seed_for("init"))
    vit = build_vit(backbone, num_classes, drop_path)
    if schedule is not None:
        return reduce(vit, run.method, 1.0, LOCATIONS, schedule, "representative", **options)
    return reduce(vit, run.method, run.keep_rate, locations, None, "representative", **options)


def reset_classifier(model: VisionTransformer, run: Run, values: str = "linear") -> None:
    """Initialize a classifier for other classes than the pretrained weights have.

    timm initializes a ViT's classifier otherwise: by a truncated normal, or zeros (`weight_init: jax`).

    Args:
        values: "linear" for the initialization of PyTorch's `nn.Linear`, as in the published code, drawn from
            the run's seed; or "zeros".
    """
    torch.manual_seed(run.seed_for("classifier"))
    classifiers = [model.head, *([model.head_dist] if hasattr(model, "head_dist") else [])]
    for classifier in classifiers:
        assert isinstance(classifier, torch.nn.Linear), "build_vit was called with a number of classes"
        classifier.reset_parameters()
        if values == "zeros":
            torch.nn.init.zeros_(classifier.weight)
            torch.nn.init.zeros_(classifier.bias)
