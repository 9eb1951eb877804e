"""What the reparametrizations change, and that they leave a ViT's logits as they were."""

from __future__ import annotations

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from tests.training.vits import randomize, tiny_vit
from tokred.models.observation import observed
from tokred.models.reparametrization import scale_residual_stream, shift_keys


def images() -> Tensor:
    return torch.randn(6, 3, 16, 16, generator=torch.Generator().manual_seed(3))


def random_vit(**settings: object) -> VisionTransformer:
    vit = tiny_vit(6, **settings)
    randomize(vit)
    return vit.eval()


@pytest.mark.parametrize(("precision", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-5)])
@pytest.mark.parametrize("settings", [{}, {"reg_tokens": 2}, {"qkv_bias": False}])
def test_scale_of_the_residual_stream(
    precision: torch.dtype, tolerance: float, settings: dict[str, object]
) -> None:
    vit = random_vit(**settings).to(precision)
    inputs = images().to(precision)
    scale_residual_stream(vit, 30)  # so large that the eps of LayerNorm hardly counts
    with torch.no_grad(), observed(vit, range(6)) as seen:
        logits = vit(inputs)
        tokens = {index: block.tokens for index, block in seen.items()}
        scale_residual_stream(vit, 0.1)
        torch.testing.assert_close(vit(inputs), logits, atol=tolerance, rtol=0)
        for index, block in seen.items():
            torch.testing.assert_close(block.tokens, 0.1 * tokens[index], atol=tolerance, rtol=0)


def test_scale_is_exact_but_for_the_eps_of_layer_norm() -> None:
    vit = random_vit().double()
    for module in vit.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.eps = 0.0
    with torch.no_grad():
        logits = vit(images().double())
        scale_residual_stream(vit, 1e-3)
        torch.testing.assert_close(vit(images().double()), logits, atol=1e-11, rtol=0)


@pytest.mark.parametrize(("precision", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-12)])
def test_vector_common_to_all_keys(precision: torch.dtype, tolerance: float) -> None:
    vit = random_vit().to(precision)
    inputs = images().to(precision)
    vector = 3 * torch.randn(2, 8, generator=torch.Generator().manual_seed(4)).to(precision)
    with torch.no_grad(), observed(vit, range(6)) as seen:
        logits = vit(inputs)
        before = dict(seen)
        for block in vit.blocks:
            shift_keys(block.attn, vector)
        torch.testing.assert_close(vit(inputs), logits, atol=tolerance, rtol=0)
        for index, block in seen.items():
            expected = before[index].keys + vector[:, None]
            torch.testing.assert_close(block.keys, expected, atol=tolerance, rtol=0)
            torch.testing.assert_close(
                block.cls_attention, before[index].cls_attention, atol=tolerance, rtol=0
            )


@pytest.mark.parametrize("settings", [{"init_values": 1.0}, {"pre_norm": True}])
def test_vits_whose_stream_has_a_scale(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="without LayerScale and without a norm before its blocks"):
        scale_residual_stream(tiny_vit(**settings), 0.5)


@pytest.mark.parametrize("factor", [0.0, -1.0])
def test_factor_must_be_positive(factor: float) -> None:
    with pytest.raises(ValueError, match=r"factor .* expected a positive number"):
        scale_residual_stream(tiny_vit(), factor)


@pytest.mark.parametrize("settings", [{"qk_norm": True}, {"qkv_bias": False}])
def test_keys_that_cannot_be_shifted(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="with biases and without a norm of its keys"):
        shift_keys(tiny_vit(**settings).blocks[0].attn, torch.ones(2, 8))
