"""`tokred.reduce`: put a reduction method into a timm ViT."""

from __future__ import annotations

import operator
from collections.abc import Sequence

from timm.layers import Attention
from timm.models.vision_transformer import Block, VisionTransformer
from torch import nn

from tokred.methods import registry
from tokred.models.vision_transformer import ReducedVisionTransformer, as_reduced
from tokred.run import canonical_rate
from tokred.schedules import LOCATIONS, Schedule, Stages


def reduce(
    vit: VisionTransformer,
    method: str,
    keep_rate: float | str = 1.0,
    locations: Sequence[int] = LOCATIONS,
    schedule: Schedule | None = None,
    **options: object,
) -> ReducedVisionTransformer:
    """A model that reduces its tokens, built on a timm ViT.

    The ViT's parameters are shared, not copied: training the result trains the ViT. Modules are not shared,
    so that hooks, training mode, input size and classifier of one do not affect the other. The result is
    itself a timm `VisionTransformer`.

    Args:
        vit: a `timm.models.vision_transformer.VisionTransformer` with a CLS token and standard blocks.
        method: a name from `tokred.list_methods()`; "none" is the unreduced model.
        keep_rate: r in (0, 1]; stage s leaves `floor(P * r**s)` of the P tokens of the input grid.
        locations: blocks in which the stages act, counted from 0, increasing; a list, an array or a tensor.
        schedule: number of tokens that each block leaves, in place of `keep_rate` and `locations`; see
            `tokred.schedules`. It can be changed afterwards (`model.schedule = ...`).
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
    check_vit(vit)
    model = as_reduced(vit)
    model.spec, model.options, model.extra_loss = spec, checked, None
    model.reducers, model.locations = nn.ModuleList(), ()
    model.schedule = schedule
    model.check_pool(vit.global_pool)
    return model


def check_vit(vit: object) -> None:
    """Raise ValueError, with the reason, for a model whose tokens cannot be reduced."""
    if isinstance(vit, ReducedVisionTransformer):
        raise ValueError(f"the model is already reduced (by {vit.method!r}): pass the timm ViT itself")
    if type(vit) is not VisionTransformer:
        raise ValueError(
            f"expected a timm.models.vision_transformer.VisionTransformer, got {type(vit).__name__}"
        )
    if not vit.has_class_token:
        raise ValueError("the model has no CLS token (class_token=False), and every method here needs one")
    for index, block in enumerate(vit.blocks):
        if type(block) is not Block or type(block.attn) is not Attention:
            raise ValueError(
                f"block {index} is a {type(block).__name__} with "
                f"{type(getattr(block, 'attn', None)).__name__}; possible: timm's Block with Attention"
            )
    for name, module in vit.named_modules():
        if "forward" in vars(module):
            raise ValueError(
                f"the forward method of {name or 'the model'} has been replaced, and would run in place of "
                "the reduced model's: reduce the model first"
            )
    if not isinstance(vit.patch_drop, nn.Identity):
        raise ValueError("patch_drop_rate > 0 drops tokens at random before any stage: set it to 0")


def _whole_numbers(locations: Sequence[int]) -> tuple[int, ...]:
    """Locations as plain integers, from integers of any type (NumPy's, tensors)."""
    try:
        return tuple(operator.index(location) for location in locations)
    except TypeError as error:
        raise ValueError(f"locations {locations!r}: expected a list of block numbers") from error
