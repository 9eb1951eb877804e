"""`tokred.reduce`: put a reduction method into a timm ViT."""

from __future__ import annotations

from collections.abc import Sequence

from timm.layers import Attention
from timm.models.vision_transformer import Block, VisionTransformer
from torch import nn

from tokred.budget import token_budget
from tokred.methods import registry
from tokred.methods.base import Stage
from tokred.run import canonical_rate
from tokred.vit import ReducedVisionTransformer

#: Blocks in which the paper's three stages act, counted from 0.
LOCATIONS = (3, 6, 9)


def reduce(
    vit: VisionTransformer,
    method: str,
    keep_rate: float | str = 1.0,
    locations: Sequence[int] = LOCATIONS,
    **options: object,
) -> ReducedVisionTransformer:
    """A model that reduces its tokens, built on a timm ViT.

    The ViT's modules and parameters are shared, not copied: training the result trains the ViT. The result
    is itself a timm `VisionTransformer`.

    Args:
        vit: a `timm.models.vision_transformer.VisionTransformer` with a CLS token and standard blocks.
        method: a name from `tokred.methods()`, or "none" for the unreduced model.
        keep_rate: r in (0, 1]; stage s leaves `floor(P * r**s)` of the P tokens of the input grid.
        locations: blocks in which the stages act, counted from 0, rising.
        options: the method's own options, see `tokred.methods()`.

    Raises:
        ValueError: an unknown method or option, a keep rate that the method cannot do, a stage without
            tokens, a location outside the depth, or a model that cannot be reduced.

    >>> import timm
    >>> vit = timm.create_model("deit_tiny_patch16_224", pretrained=False)
    >>> model = reduce(vit, "topk", keep_rate=0.7)
    """
    spec = registry.get(method)
    checked = spec.check_options(options)
    rate = canonical_rate(keep_rate)
    spec.check_rate(rate)
    check_vit(vit)
    spec.check_locations(locations, len(vit.blocks))
    model = _share(vit)
    model.method, model.keep_rate, model.locations = spec.name, rate, tuple(locations)
    model.needs_attention = spec.needs_attention
    model.extra_loss = None
    model.reducers = nn.ModuleList()
    if spec.target:
        reducer = spec.load()
        for stage in _stages(vit, rate, len(locations)):
            model.reducers.append(reducer(stage, checked))
            model.reducers[-1].init_weights()
    if spec.dynamic and vit.global_pool not in ("token", "avg"):
        raise ValueError(
            f"method {method!r} pads its tokens, and global_pool {vit.global_pool!r} would pool the padding; "
            "possible: 'token', 'avg'"
        )
    parameter = next(vit.parameters())
    model.reducers.to(device=parameter.device, dtype=parameter.dtype)
    return model.train(vit.training)


def check_vit(vit: object) -> None:
    """Raises ValueError, saying what was found, for a model whose tokens cannot be reduced."""
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
    if not isinstance(vit.patch_drop, nn.Identity):
        raise ValueError("patch_drop_rate > 0 drops tokens at random before any stage: set it to 0")


def _stages(vit: VisionTransformer, rate: str, count: int) -> list[Stage]:
    num_tokens = vit.patch_embed.num_patches
    return [
        Stage(
            index=index,
            num_stages=count,
            budget=token_budget(num_tokens, rate, index),
            keep_rate=float(rate),
            grid=tuple(vit.patch_embed.grid_size),
            embed_dim=vit.embed_dim,
        )
        for index in range(1, count + 1)
    ]


def _share(vit: VisionTransformer) -> ReducedVisionTransformer:
    """A `ReducedVisionTransformer` that has the ViT's parameters and modules, in registries of its own."""
    model = ReducedVisionTransformer.__new__(ReducedVisionTransformer)
    model.__dict__ = vit.__dict__.copy()
    for name in ("_parameters", "_buffers", "_modules"):
        setattr(model, name, getattr(vit, name).copy())
    return model
