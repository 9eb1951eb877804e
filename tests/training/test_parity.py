"""Training mode: loss, logits and all gradients of the paper's methods against a slow formulation of them.

In double precision, so that nothing but a different formula can differ. `tests/methods/test_oracles.py` and
`tests/methods/test_golden.py` do this for evaluation.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import tokred
from tests.formulations.losses import asymmetric, cross_entropy
from tests.formulations.training import Shape, SlowViT, ratio_loss
from tests.small_models import METHOD_RATES, images, small_vit
from tokred.methods.registry import PAPER
from tokred.models.vision_transformer import ReducedVisionTransformer
from tokred.settings import Training
from tokred.training.losses import task_loss

pytestmark = pytest.mark.slow

SHAPE = Shape(depth=12, heads=3, patch=4, grid=(8, 8))
COUNT = 3
EXACT = {"atol": 1e-10, "rtol": 1e-8}
SINGLE = Training(label_smoothing=0.1)
MULTI = Training(asl_micro_batch=256, asl_gamma_pos=1.0)
LABELS = {"single": [1, 4, 0], "multi": [{1}, {0, 4}, {0, 1, 2}]}


def model_of(method: str, rate: str) -> ReducedVisionTransformer:
    """In training mode and double precision, with parameters of the method that are far from symmetric."""
    torch.manual_seed(3)
    model = tokred.reduce(small_vit().double(), method, rate)
    with torch.no_grad():
        for parameter in model.reducers.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.train()


def labels_of(task: str) -> Tensor:
    if task == "single":
        return torch.tensor(LABELS["single"])
    return torch.tensor([[float(c in classes) for c in range(5)] for classes in LABELS["multi"]])


def slow(
    model: ReducedVisionTransformer, task: str, pixels: Tensor, noise: list[Tensor]
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Loss, logits and gradients by name."""
    parameters = {}
    for name, parameter in model.named_parameters():
        value = parameter.detach().clone()
        if model.method == "sinkhorn" and name.endswith("queries"):
            value /= value.square().sum(dim=1, keepdim=True).sqrt()
        parameters[name] = value.requires_grad_()
    formulation = SlowViT(parameters, SHAPE, model.method, float(model.schedule.keep_rate))
    passes = [
        formulation.forward(image, [stage[index] for stage in noise]) for index, image in enumerate(pixels)
    ]
    logits = torch.stack([result for result, _ in passes])
    if task == "single":
        loss = cross_entropy(logits, LABELS["single"], smoothing=0.1)
    else:
        loss = asymmetric(logits, LABELS["multi"], gamma_neg=4.0, gamma_pos=1.0, clip=0.05, images=256)
    if model.method == "dynamicvit":
        loss = loss + ratio_loss([keep for _, keep in passes], float(model.schedule.keep_rate))
    loss.backward()
    return loss.detach(), logits.detach(), {name: leaf.grad for name, leaf in parameters.items()}


@pytest.mark.parametrize(
    ("method", "rate", "task"),
    [(name, rate, "single") for name, rate in METHOD_RATES if name in PAPER]
    + [(name, "0.50", "multi") for name in PAPER],
)
def test_loss_logits_and_gradients(method: str, rate: str, task: str) -> None:
    model, pixels = model_of(method, rate), images(COUNT).double()
    # The noise that the model will draw: it draws nothing else.
    torch.manual_seed(7)
    noise = [-torch.empty(COUNT, 64, 2, dtype=torch.float64).exponential_().log() for _ in range(3)]
    expected_loss, expected_logits, expected = slow(model, task, pixels, noise)
    torch.manual_seed(7)
    logits = model(pixels)
    loss = task_loss(task, SINGLE if task == "single" else MULTI)(logits, labels_of(task))
    if model.extra_loss is not None:
        loss = loss + model.extra_loss
    loss.backward()
    torch.testing.assert_close(logits.detach(), expected_logits, **EXACT)
    torch.testing.assert_close(loss.detach(), expected_loss, **EXACT)
    assert (model.extra_loss is not None) == (method == "dynamicvit")
    for name, parameter in model.named_parameters():
        if expected[name] is None:
            assert parameter.grad is None or not parameter.grad.any(), name
            continue
        assert parameter.grad is not None, name
        torch.testing.assert_close(
            parameter.grad, expected[name], **EXACT, msg=lambda text, n=name: f"{n}: {text}"
        )
