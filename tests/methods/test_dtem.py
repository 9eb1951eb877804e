"""DTEM against slow formulations of its publication: inference, and a step of its soft training."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import tokred
from tests.formulations.plain_vit import PlainViT, slots
from tests.small_models import images, small_vit
from tokred.methods.base import Context, Reduction, Stage
from tokred.methods.dtem import DTEM, give, soft_assignment
from tokred.methods.options import DTEMOptions
from tokred.models.vision_transformer import ReducedVisionTransformer

SOFT = {"k2": 3, "tau1": 0.1, "tau2": 0.1}


class SlowDTEM:
    """One image, token by token. Positions are those of the whole sequence, with CLS at 0."""

    def __init__(self, vit: PlainViT, proportional: str = "log", **options: float) -> None:
        self.vit, self.proportional, self.options = vit, proportional, {**SOFT, **options}

    def embedded(self, stage: int, y: Tensor) -> Tensor:
        out = self.vit.linear(f"reducers.{stage}.embedding", y)
        return out / out.norm(dim=1, keepdim=True)

    def evaluate(self, image: Tensor, budgets: dict[int, int]) -> tuple[Tensor, list[list[int]]]:
        """Logits, and the slot of each input token after each stage."""
        vit, x, patterns = self.vit, self.vit.embed(image), []
        members = [[token] for token in range(len(x) - 1)]
        size = torch.ones(len(x), dtype=x.dtype)
        for block in range(12):
            y = vit.norm(f"blocks.{block}.norm1", x)
            q, k, v = vit.projected(block, y)
            bias = size if self.proportional == "log" else torch.ones_like(size)
            x = x + vit.attended(block, vit.probabilities(q, k, bias), v)
            if block in budgets:
                groups = self.groups(self.embedded(len(patterns), y), len(members) - budgets[block])
                x = torch.stack([sum(size[i] * x[i] for i in g) / sum(size[i] for i in g) for g in groups])
                size = torch.stack([size[group].sum() for group in groups])
                members = [[token for i in g for token in members[i - 1]] for g in groups[1:]]
                patterns.append(slots(members, sum(map(len, members))))
            x = vit.mlp(block, x)
        return vit.logits(x), patterns

    def groups(self, unit: Tensor, number: int) -> list[list[int]]:
        """Positions that become one: CLS, what is left at even positions, and the odd positions."""
        side_a, side_b = range(2, len(unit), 2), range(1, len(unit), 2)
        cosine = (unit @ unit.T).tolist()
        best = {a: max(side_b, key=lambda b, a=a: cosine[a][b]) for a in side_a}
        gone = sorted(side_a, key=lambda a: -cosine[a][best[a]])[:number]
        left = [[a] for a in side_a if a not in gone]
        return [[0], *left, *([b, *(a for a in gone if best[a] == b)] for b in side_b)]

    def train(self, image: Tensor, budgets: dict[int, int]) -> tuple[Tensor, list[list[int]]]:
        """Logits, with gradients, and the input tokens in their order after each stage."""
        vit, x, patterns = self.vit, self.vit.embed(image), []
        places, number = list(range(len(x) - 1)), len(x)
        weight = torch.ones(len(x), dtype=x.dtype)
        for block in range(12):
            y = vit.norm(f"blocks.{block}.norm1", x)
            q, k, v = vit.projected(block, y)
            x = x + vit.attended(block, vit.probabilities(q, k, weight), v)
            if block in budgets:
                effective = min(number - 1 - budgets[block], (number - 1) // 2)
                unit = self.embedded(len(patterns), y.detach())
                x, weight = self.soft_merge(x, weight, unit, number, effective)
                order = sorted(range(1, len(x)), key=lambda i: -float(weight[i].detach()))
                x, weight = x[[0, *order]], weight[[0, *order]]
                places, number = [places[i - 1] for i in order], number - effective
                patterns.append(places)
            x = vit.mlp(block, x)
        return vit.logits(x), patterns

    def soft_merge(
        self, x: Tensor, weight: Tensor, unit: Tensor, number: int, rounds: int
    ) -> tuple[Tensor, Tensor]:
        """Tokens at positions 1, 3, ... of the first `number` give to those at 2, 4, ..."""
        side_a, side_b = list(range(1, number, 2)), list(range(2, number, 2))
        cosine = unit @ unit.T
        value = cosine.tolist()
        best = {a: sorted(side_b, key=lambda b, a=a: -value[a][b])[: self.options["k2"]] for a in side_a}
        score = {(a, b): cosine[a, b] / self.options["tau1"] for a in side_a for b in best[a]}
        chosen = dict.fromkeys(score, 0.0)
        for _ in range(rounds):
            exponents = {pair: z / self.options["tau2"] for pair, z in score.items()}
            top = max(float(z.detach()) for z in exponents.values())
            unnormalized = {pair: (z - top).exp() for pair, z in exponents.items()}
            total = sum(unnormalized.values())
            now = {pair: value / total for pair, value in unnormalized.items()}
            for a in side_a:
                row = sum(now[a, b] for b in best[a])
                left = (1 - row).clamp(min=torch.finfo(torch.float32).eps).log()
                for b in best[a]:
                    chosen[a, b] = chosen[a, b] + now[a, b]
                    score[a, b] = score[a, b] + left
        tokens, weights = list(x), list(weight)
        for a in side_a:
            mass = sum(chosen[a, b] for b in best[a])
            if mass > 1:
                for b in best[a]:
                    chosen[a, b] = chosen[a, b] / mass.detach()
            left = 1 - sum(chosen[a, b] for b in best[a])
            weights[a] = weight[a] * (left + (left.clamp(0, 1) - left).detach())
        for b in side_b:
            givers = [a for a in side_a if b in best[a]]
            weights[b] = weight[b] + sum(chosen[a, b] * weight[a] for a in givers)
            mixed = weight[b] * x[b] + sum(chosen[a, b] * weight[a] * x[a] for a in givers)
            tokens[b] = mixed / weights[b]
        return torch.stack(tokens), torch.stack(weights)


def reduced(
    size: tuple[int, int] = (24, 24), schedule: object = None, **options: object
) -> ReducedVisionTransformer:
    """A model in double precision, whose embeddings are not as small as at the start of a training."""
    torch.manual_seed(5)
    schedule = tokred.schedules.Constant(3) if schedule is None else schedule
    model = tokred.reduce(small_vit(img_size=size), "dtem", schedule=schedule, **options).double()
    for parameter in model.reducers.parameters():
        parameter.data.normal_(std=0.3)
    return model


def budgets_of(model: ReducedVisionTransformer) -> dict[int, int]:
    return {reducer.stage.block: reducer.stage.budget for reducer in model.reducers}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "schedule", "options"),
    [
        ((32, 32), tokred.schedules.Constant(5), {}),
        ((24, 32), tokred.schedules.Stages(keep_rate=0.5), {"width": 3}),
        ((24, 24), tokred.schedules.Constant(3), {"proportional": "none"}),
    ],
)
@torch.no_grad()
def test_dtem_is_its_slow_formulation(
    size: tuple[int, int], schedule: object, options: dict[str, object]
) -> None:
    model = reduced(size, schedule, **options)
    batch = images(2, size).double()
    logits, trace = model.trace(batch)
    slow = SlowDTEM(PlainViT(model), **{k: v for k, v in options.items() if k == "proportional"})
    for index, image in enumerate(batch):
        expected, patterns = slow.evaluate(image, budgets_of(model))
        assert [stage.assign[index].tolist() for stage in trace.stages] == patterns
        torch.testing.assert_close(logits[index], expected, atol=1e-9, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "schedule", "options"),
    [
        ((24, 24), tokred.schedules.Constant(3), {}),
        ((24, 32), tokred.schedules.Stages(keep_rate=0.5), {"k2": 2, "tau1": 0.3, "tau2": 0.5}),
        ((24, 20), tokred.schedules.Constant(4, blocks=(0, 3, 6)), {"k2": 100}),
    ],
)
def test_a_training_step_is_the_slow_one(
    size: tuple[int, int], schedule: object, options: dict[str, object]
) -> None:
    """Logits, the order of tokens, and the gradients of the embeddings and of the backbone."""
    model = reduced(size, schedule, **options).train()
    image = images(1, size).double()
    logits, trace = model.trace(image)
    expected, patterns = SlowDTEM(PlainViT(model), **options).train(image[0], budgets_of(model))
    number = math.prod(size) // 16
    for stage, order, budget in zip(trace.stages, patterns, budgets_of(model).values(), strict=True):
        # Tokens without weight take no part in what follows, and their order is a matter of rounding.
        assert stage.anchor[0, :budget].tolist() == order[:budget]
        assert sorted(stage.anchor[0].tolist()) == list(range(number))
    torch.testing.assert_close(logits[0], expected, atol=1e-9, rtol=1e-9)
    # A stage in the last block does not affect the CLS token.
    names = [name for name, _ in model.named_parameters() if not name.startswith("reducers.11")]
    names = [name for name in names if "head" not in name]
    weights = [model.get_parameter(name) for name in names]
    target = torch.tensor([2])
    found = torch.autograd.grad(F.cross_entropy(logits, target), weights)
    slow = torch.autograd.grad(F.cross_entropy(expected[None], target), weights)
    for name, one, other in zip(names, found, slow, strict=True):
        assert other.abs().max() > 0, name
        torch.testing.assert_close(one, other, atol=1e-8, rtol=1e-5, msg=name)


class Attention:
    """Stands for a block's attention, of which the method reads the input."""

    def __init__(self, x: Tensor) -> None:
        self.normalized = x[:, 1:]


def _reducer(**options: object) -> DTEM:
    torch.manual_seed(0)
    stage = Stage(1, 1, 5, 0.5, grid=(2, 5), embed_dim=8, block=0, depth=1, budgets=(5,), num_heads=2)
    reducer = DTEM(stage, DTEMOptions(**options)).train()
    torch.nn.init.normal_(reducer.embedding.weight)
    return reducer


def _reduce(reducer: DTEM, x: Tensor, normalized: Tensor, state: object = None) -> Reduction:
    return reducer(x, Context(Attention(normalized), state=state))


def test_the_input_of_the_embedding_is_detached() -> None:
    """The backbone has gradients from the tokens, and none from how they are compared."""
    reducer = _reducer()
    x, normalized = torch.randn(2, 10, 8, requires_grad=True), torch.randn(2, 11, 8, requires_grad=True)
    found = _reduce(reducer, x, normalized)
    (found.tokens.square().sum() + found.weight.square().sum()).backward()
    assert normalized.grad is None
    assert x.grad.abs().sum() > 0
    assert reducer.embedding.weight.grad.abs().sum() > 0


def test_training_keeps_all_tokens_and_their_weight() -> None:
    """Those that have given most away come last, and take no part in the next stage."""
    reducer = _reducer()
    x, normalized = torch.randn(2, 10, 8), torch.randn(2, 11, 8)
    first = _reduce(reducer, x, normalized)
    assert first.tokens.shape == (2, 10, 8)
    assert first.state == 5
    torch.testing.assert_close(first.weight.sum(dim=1), torch.full((2,), 10.0), atol=1e-4, rtol=0)
    assert first.weight.sort(dim=1, descending=True).values.equal(first.weight)
    assert first.anchor.sort(dim=1).values.equal(torch.arange(10).expand(2, -1))
    reducer.set_stage(Stage(1, 1, 3, 0.3, grid=(2, 5), embed_dim=8, block=0, depth=1, budgets=(3,)))
    context = Context(Attention(normalized), weight=first.weight, size=first.size, state=first.state)
    second = reducer(first.tokens, context)
    assert second.state == 3
    for image in range(2):
        for place in range(5, 10):
            slot = second.anchor[image].tolist().index(place)
            assert second.tokens[image, slot].equal(first.tokens[image, place])
            assert second.weight[image, slot] == first.weight[image, place]


def test_a_stage_with_nothing_to_merge_passes_on_what_it_got() -> None:
    reducer, x, weight = _reducer(), torch.randn(2, 10, 8), torch.rand(2, 10)
    context = Context(Attention(torch.randn(2, 11, 8)), weight=weight, size=weight, state=5)
    found = reducer(x, context)
    assert found.tokens is None
    assert found.anchor is None
    assert found.weight is weight
    assert found.state == 5


def test_the_strongest_pairs_are_chosen_where_they_are_far_apart() -> None:
    """With few rounds and clear differences the relaxed choice is the choice."""
    similarity = torch.tensor([[[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.0, 0.1, 0.4]]])
    expected = torch.zeros(1, 3, 3)
    expected[0, 0, 0] = expected[0, 1, 1] = 1
    torch.testing.assert_close(soft_assignment(similarity, 2, DTEMOptions()), expected, atol=1e-6, rtol=0)
    all_rounds = soft_assignment(similarity, 3, DTEMOptions(tau1=10))
    assert (all_rounds.sum(dim=2) <= 1 + 1e-6).all()
    assert all_rounds.sum() > 2


def test_a_token_that_gives_all_has_gradients() -> None:
    """Its weight is as good as 0: attention depends on the logarithm, whose derivative is finite."""
    x, weight = torch.randn(1, 4, 3), torch.ones(1, 4)
    given = torch.tensor([[[1.0, 0.0], [0.6, 0.4000001]]], requires_grad=True)
    _, left = give(x, weight, given)
    assert left[0, ::2].tolist() == pytest.approx([1e-12, 1e-12], rel=1e-4)
    left.log().softmax(dim=1)[0, 0].backward()
    # The derivative of w / (w + rest), with a rest of 4.
    torch.testing.assert_close(given.grad[0, 0, 0], torch.tensor(-0.25), atol=1e-4, rtol=0)


def test_widths() -> None:
    """As wide as a head, twice as wide from 1,024 values on (Lee and Hong 2024)."""
    vit = small_vit()
    assert tokred.reduce(vit, "dtem", 0.5).reducers[0].embedding.out_features == 8
    assert tokred.reduce(vit, "dtem", 0.5, width=5).reducers[0].embedding.out_features == 5
    wide = Stage(1, 1, 5, 0.5, grid=(2, 5), embed_dim=1024, block=0, depth=1, budgets=(5,), num_heads=16)
    assert DTEM(wide, DTEMOptions()).embedding.out_features == 128


def test_training_under_automatic_precision_is_close_to_that_in_single() -> None:
    """Similarities are divided by 0.01, which half precision would not survive."""
    reducer = _reducer()
    x, normalized = torch.randn(2, 10, 8), torch.randn(2, 11, 8)
    metric = F.normalize(torch.randn(2, 10, 4), dim=-1)
    context = Context(Attention(normalized))
    expected = reducer._merge_softly(x, metric, torch.ones(2, 10), context)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        reducer.embedding.forward = lambda _: metric
        found = _reduce(reducer, x, normalized)
    torch.testing.assert_close(found.weight, expected.weight)
    assert math.isclose(float(found.weight.sum()), 20, abs_tol=1e-3)
