"""Small models that tests share."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch
from _pytest.mark import ParameterSet
from timm.models.vision_transformer import VisionTransformer

from tokred.methods.registry import METHODS

#: Every method but the unreduced model.
REDUCING = [name for name in METHODS if name != "none"]
#: Keep rates to try with each method, as far as it can do them.
RATES = ["0.25", "0.50", "0.70", "0.90"]
METHOD_RATES = [(name, rate) for name in REDUCING for rate in RATES if METHODS[name].can_keep(rate)]
#: Methods that stand for all in tests of what holds for every method: one for each path through a model.
TYPICAL = {"none", "l2", "topk", "ats", "dynamicvit", "tome", "kmedoids", "sinkhorn", "mctf", "dtem"}


def by_method(cases: Iterable[str | tuple[str, ...]]) -> list[ParameterSet]:
    """Parameters of a test, methods or tuples that begin with one; those not typical are slow.

    Of a method with several keep rates, the one of half of the tokens is typical.
    """
    tuples = [(case,) if isinstance(case, str) else case for case in cases]
    untypical_rates = set(RATES) - {"0.50"}
    typical = [case[0] in TYPICAL and not untypical_rates & set(case) for case in tuples]
    marks = [[] if is_typical else [pytest.mark.slow] for is_typical in typical]
    return [pytest.param(*case, marks=own) for case, own in zip(tuples, marks, strict=True)]


#: For `pytest.mark.parametrize`.
EACH_METHOD = by_method(REDUCING)


def small_vit(**changes: object) -> VisionTransformer:
    """A ViT with 64 tokens, 12 blocks and weights that are far from zero, always the same."""
    shape = {"img_size": 32, "patch_size": 4, "embed_dim": 24, "depth": 12, "num_heads": 3, "num_classes": 5}
    torch.manual_seed(0)
    vit = VisionTransformer(**{**shape, **changes})
    with torch.no_grad():
        for name, parameter in vit.named_parameters():
            if parameter.ndim > 1:
                parameter.add_(torch.randn_like(parameter) * (0.3 if "pos_embed" in name else 0.12))
    return vit.eval()


def images(count: int = 4, size: tuple[int, int] = (32, 32)) -> torch.Tensor:
    """Random pictures with structure, always the same."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.randn(count, 3, 6, 6, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=size, mode="bicubic")
    return smooth + 0.3 * torch.randn(count, 3, *size, generator=generator)
