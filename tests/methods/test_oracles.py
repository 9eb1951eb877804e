"""Methods in evaluation against slow formulations of them, where the reference outputs do not reach."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import tokred
from tests.formulations import stages
from tests.small_models import images, small_vit
from tests.typical import slow_after_first
from tokred.methods.ats import ATS
from tokred.methods.base import Context, Stage
from tokred.methods.dpcknn import DPCKNN
from tokred.methods.evit import EViT
from tokred.methods.kmedoids import KMedoids
from tokred.methods.options import DPCKNNOptions, KMedoidsOptions, NoOptions, ToMeOptions
from tokred.methods.sinkhorn import transport
from tokred.methods.tome import ToMe
from tokred.schedules.budget import token_budget


def stage(budget: int, tokens: int = 30, width: int = 8) -> Stage:
    share = budget / tokens
    return Stage(1, 3, budget, share, grid=(5, 6), embed_dim=width, block=3, depth=12, budgets=(budget, 2, 1))


class Attention:
    """Stands for a block's attention with given numbers."""

    def __init__(
        self, received: Tensor | None = None, scores: Tensor | None = None, values: Tensor | None = None
    ):
        self.attention_received = lambda: received
        self.cls_scores = lambda: scores
        self.values = values


@pytest.mark.parametrize("size", slow_after_first([(36, 20), (32, 32), (28, 28)]))
@pytest.mark.parametrize("norm", stages.NORMS)
@pytest.mark.parametrize("rate", slow_after_first(["0.50", "0.70"]))
def test_fixed_patterns(size: tuple[int, int], norm: str, rate: str) -> None:
    """Even, odd and oblong grids: the radius whose count is closest to the budget, the smaller on a tie."""
    model = tokred.reduce(small_vit(img_size=size), norm, rate)
    with torch.no_grad():
        logits, trace = model.trace(images(2, size))
    rows, columns = size[0] // 4, size[1] // 4
    for index, pattern in enumerate(trace.stages, 1):
        expected = stages.fixed_pattern(norm, rows, columns, token_budget(rows * columns, rate, index))
        assert pattern.anchor[0].tolist() == expected, "kept tokens stay in raster order"
    torch.testing.assert_close(logits, _masked_out(size, trace), atol=1e-5, rtol=1e-5)


def _masked_out(size: tuple[int, int], trace: object) -> Tensor:
    """Logits of a ViT in which dropped tokens stay, but are masked as keys."""
    vit = small_vit(img_size=size)
    x = vit.norm_pre(vit._pos_embed(vit.patch_embed(images(2, size))))
    mask = None
    with torch.no_grad():
        for index, block in enumerate(vit.blocks):
            if index in (3, 6, 9):
                kept = trace.stages[(3, 6, 9).index(index)].assign[0] >= 0
                mask = F.pad(kept, (1, 0), value=True)[None, None, None, :].expand(2, 1, 1, -1)
            x = block(x, attn_mask=mask)
        return vit.forward_head(vit.norm(x))


@pytest.mark.parametrize("update", ["paper", "reference"])
@pytest.mark.parametrize("budget", [1, 7, 30])
def test_kmedoids(update: str, budget: int) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(3, 30, 8), torch.rand(3, 30)
    x[0, 4] = x[0, 3]  # twins: the cluster of one of them may be empty
    method = KMedoids(stage(budget), KMedoidsOptions(update=update))
    found = method(x, Context(attn=Attention(received=weight)))
    for image in range(3):
        points = x[image].double().numpy()
        medoids, slots = stages.kmedoids(points, weight[image].tolist(), budget, update)
        assert found.anchor[image].tolist() == medoids
        assert found.assign[image].tolist() == slots


@pytest.mark.parametrize("equal", [False, True])
def test_dpcknn(equal: bool) -> None:
    torch.manual_seed(1)
    x = torch.randn(2, 30, 8)
    if equal:  # points on a lattice: many equal densities
        x = torch.randint(0, 2, (2, 30, 8)).float() * 4
    method = DPCKNN(stage(6), DPCKNNOptions(neighbors=3))
    found = method(x, Context())
    for image in range(2):
        centers, slots = stages.dpcknn(x[image].double().numpy(), neighbors=3, budget=6)
        assert found.anchor[image].tolist() == centers
        assert found.assign[image].tolist() == slots
        weight = method.score(x[image]).exp().detach().squeeze(1)
        for k in range(6):
            members = found.assign[image] == k
            mean = (x[image][members] * weight[members, None]).sum(0) / (weight[members].sum() + 1e-6)
            torch.testing.assert_close(found.tokens[image, k].detach(), mean, atol=1e-5, rtol=1e-5)


def test_dpcknn_with_equal_weights() -> None:
    torch.manual_seed(1)
    x = torch.randn(2, 30, 8)
    method = DPCKNN(stage(6), DPCKNNOptions(weights="equal"))
    found = method(x, Context())
    learned = DPCKNN(stage(6), DPCKNNOptions())(x, Context())
    torch.testing.assert_close(found.assign, learned.assign)
    for image in range(2):
        means = [x[image][found.assign[image] == k].double().mean(0) for k in range(6)]
        torch.testing.assert_close(found.tokens[image].double(), torch.stack(means), atol=1e-6, rtol=1e-6)
    half = method(x.half(), Context())
    assert half.tokens.dtype == torch.float16


def test_ats_samples_the_cdf() -> None:
    torch.manual_seed(2)
    scores, values = torch.rand(4, 2, 30).softmax(dim=2) ** 2, torch.randn(4, 2, 30, 4)
    scores[2, :, 7] = 5.0  # one token takes most samples, so that the images keep different numbers
    weight = torch.ones(4, 30)
    weight[1, 20:] = 0  # padding
    found = ATS(stage(12), NoOptions())(
        torch.zeros(4, 30, 8), Context(Attention(None, scores, values), weight)
    )
    for image in range(4):
        alive = int(weight[image].sum())
        significance = [
            sum(float(scores[image, h, j] * values[image, h, j].norm()) for h in range(2))
            for j in range(alive)
        ]
        kept = found.anchor[image]
        assert kept[kept >= 0].tolist() == stages.ats_sample(significance, 12)
        assert found.weight[image].bool().tolist() == (kept >= 0).tolist()


def test_sinkhorn_marginals() -> None:
    torch.manual_seed(3)
    scores = torch.rand(2, 10, 4) * 2 - 1
    plan = transport(scores, iterations=200, eps=1.0)
    torch.testing.assert_close(plan.sum(dim=2), torch.ones(2, 10))
    few = transport(scores, iterations=3, eps=1.0)
    torch.testing.assert_close(few.sum(dim=2), torch.ones(2, 10))
    expected = stages.sinkhorn_plan(scores[0].double(), iterations=3)
    torch.testing.assert_close(few[0].double(), expected, atol=1e-5, rtol=1e-5)


def test_tome_counts_sizes_over_stages() -> None:
    """The mean over all tokens, weighted by size, is what it was before any merge."""
    torch.manual_seed(4)
    x, keys = torch.randn(2, 30, 8), torch.randn(2, 3, 30, 4)
    attention = Attention()
    attention.keys = keys
    first = ToMe(stage(20), ToMeOptions())(x, Context(attention))
    attention.keys = keys[:, :, :20]
    second = ToMe(stage(12), ToMeOptions())(first.tokens, Context(attention, size=first.size))
    assert second.tokens.shape == (2, 12, 8)
    assert second.weight.sum(dim=1).tolist() == [30, 30]
    weighted = (second.tokens * second.weight.unsqueeze(-1)).sum(dim=1) / 30
    torch.testing.assert_close(weighted, x.mean(dim=1), atol=1e-5, rtol=1e-5)
    for image in range(2):
        unit = F.normalize(keys[image].mean(dim=0), dim=1).double()
        groups = stages.tome_groups((unit @ unit.T).numpy(), 20)
        slots = {token: slot for slot, group in enumerate(groups) for token in group}
        assert first.assign[image].tolist() == [slots[token] for token in range(30)]


def test_evit_fuses_what_it_prunes() -> None:
    """The fused token is the sum of score times token over the pruned, and a candidate at the next stage."""
    torch.manual_seed(6)
    x, scores = torch.randn(2, 30, 8), torch.rand(2, 2, 30)
    found = EViT(stage(12), NoOptions())(x, Context(Attention(scores=scores)))
    for image in range(2):
        mean = scores[image].mean(dim=0)
        order = stages.highest(mean.tolist(), 30)
        assert found.anchor[image].tolist() == [*order[:12], -1]
        fused = sum(mean[i] * x[image, i] for i in order[12:])
        torch.testing.assert_close(found.tokens[image, 12], fused, atol=1e-5, rtol=1e-5)
    attended = torch.zeros(2, 2, 13)
    attended[:, :, 12] = 1.0  # the fused token of the stage before scores highest
    again = EViT(stage(6), NoOptions())(found.tokens, Context(Attention(scores=attended)))
    assert again.anchor[:, 0].tolist() == [12, 12]
    torch.testing.assert_close(again.tokens[:, 0], found.tokens[:, 12])
