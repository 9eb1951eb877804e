"""`tokred.reduce`: put a reduction method into a timm ViT."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import cast

from torch import nn

from tokred.methods import registry
from tokred.models.blocks import REDUCED_ATTENTION, REDUCED_BLOCKS, BlockSequence, make_reducible
from tokred.models.families import (
    ReducedBeit,
    ReducedEva,
    ReducedNaFlexVit,
    ReducedVisionTransformerRelPos,
)
from tokred.models.reduced import ReducedModel
from tokred.models.sharing import share_parameters
from tokred.models.slots import RULES
from tokred.models.vision_transformer import ReducedVisionTransformer, ReducedVisionTransformerDistilled
from tokred.run import canonical_rate
from tokred.schedules import LOCATIONS, Schedule, Stages
from tokred.schedules.timm_sizes import image_size_of


def reduce(
    vit: nn.Module,
    method: str,
    keep_rate: float | str = 1.0,
    locations: Sequence[int] = LOCATIONS,
    schedule: Schedule | None = None,
    positions: str = "representative",
    **options: object,
) -> ReducedModel:
    """A model that reduces its tokens, built on a timm ViT.

    The ViT's parameters are shared, not copied: training the result trains the ViT. Modules are not shared,
    so that hooks, training mode, input size and classifier of one do not affect the other. The result is
    itself a timm model of the same class.

    Args:
        vit: an isotropic Vision Transformer of timm: a `VisionTransformer`, `VisionTransformerDistilled`,
            `VisionTransformerRelPos`, `Eva`, `Beit` or `NaFlexVit`.
        method: a name from `tokred.list_methods()`; "none" is the unreduced model.
        keep_rate: r in (0, 1]; stage s leaves `floor(P * r**s)` of the P tokens of the input grid.
        locations: blocks in which the stages act, counted from 0, increasing; a list, an array or a tensor.
        schedule: number of tokens that each block leaves, in place of `keep_rate` and `locations`; see
            `tokred.schedules`. It can be changed afterwards (`model.schedule = ...`).
        positions: position of a merged token in a ViT with rotary or relative position embeddings: that of
            its representative token ("representative"), or the mean of its input tokens ("centroid").
        options: the method's own options, see `tokred.methods.options`.

    Raises:
        ValueError: an unknown method or option, a keep rate or schedule that the method does not support, a
            stage that would leave no token, a location that is no block, or a model that cannot be reduced.

    >>> import timm
    >>> vit = timm.create_model("deit_tiny_patch16_224", pretrained=False)
    >>> model = reduce(vit, "topk", keep_rate=0.7)
    >>> model = reduce(vit, "tome", schedule=Constant(13))
    """
    spec = registry.get(method)
    checked = spec.check_options(options)
    if schedule is None:
        schedule = Stages(keep_rate=canonical_rate(keep_rate), locations=_whole_numbers(locations))
    elif keep_rate != 1.0 or tuple(locations) != LOCATIONS:
        raise ValueError("expected either schedule, or keep_rate and locations")
    if positions not in RULES:
        raise ValueError(f"positions {positions!r}: expected {' or '.join(map(repr, RULES))}")
    check_vit(vit)
    model = as_reduced(vit)
    model.position_rule = positions
    model.spec, model.options, model.extra_loss = spec, checked, None
    model.reducers, model.locations = nn.ModuleList(), ()
    model.schedule = schedule
    return model


#: Reduced classes of timm's models.
REDUCED_MODELS: dict[type[nn.Module], type[ReducedModel]] = {
    reduced.__bases__[1]: reduced
    for reduced in (
        ReducedVisionTransformer,
        ReducedVisionTransformerDistilled,
        ReducedEva,
        ReducedBeit,
        ReducedNaFlexVit,
        ReducedVisionTransformerRelPos,
    )
}


def as_reduced(vit: nn.Module) -> ReducedModel:
    """A model with a ViT's parameters, whose modules can reduce tokens; it does not have stages yet."""
    model = share_parameters(vit)
    # These modules are copies: the classes of the ViT's own modules do not change.
    model.__class__ = REDUCED_MODELS[type(vit)]
    assert isinstance(model, ReducedModel)
    model._depth = len(model.blocks)
    if isinstance(model.blocks, nn.Sequential):
        model.blocks.__class__ = BlockSequence
    for block in model.blocks:
        make_reducible(block)
    if isinstance(model, ReducedNaFlexVit):
        model.image_size = image_size_of(model)
    return model


def check_vit(vit: object) -> None:
    """Raise ValueError, with the reason, for a model whose tokens cannot be reduced."""
    if isinstance(vit, ReducedModel):
        raise ValueError(f"the model is already reduced (by {vit.method!r}): pass the timm ViT itself")
    if not isinstance(vit, nn.Module) or type(vit) not in REDUCED_MODELS:
        possible = ", ".join(sorted(kind.__name__ for kind in REDUCED_MODELS))
        raise ValueError(
            f"expected an isotropic Vision Transformer of timm ({possible}), got {type(vit).__name__}"
        )
    for index, block in enumerate(cast("Iterable[nn.Module]", vit.blocks)):
        attn = getattr(block, "attn", None)
        if type(block) not in REDUCED_BLOCKS or not (attn is None or type(attn) in REDUCED_ATTENTION):
            raise ValueError(
                f"block {index} is a {type(block).__name__} with {type(attn).__name__}; "
                "possible: the blocks and attention layers of timm's Vision Transformers"
            )
    for name, module in vit.named_modules():
        if "forward" in vars(module):
            raise ValueError(
                f"the forward method of {name or 'the model'} has been replaced, and would run in place of "
                "the reduced model's: reduce the model first"
            )
    if not isinstance(getattr(vit, "patch_drop", None), nn.Identity | None):
        raise ValueError("patch_drop_rate > 0 drops tokens at random before any stage: set it to 0")


def _whole_numbers(locations: Sequence[int]) -> tuple[int, ...]:
    """Locations as plain integers, from integers of any type (NumPy's, tensors)."""
    try:
        return tuple(operator.index(location) for location in locations)
    except TypeError as error:
        raise ValueError(f"locations {locations!r}: expected a list of block numbers") from error
