"""GTP against a slow formulation of its publication, and its graph by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import tokred
from tests.formulations.plain_vit import PlainViT
from tests.small_models import images, small_vit
from tokred.methods.base import Stage
from tokred.methods.gtp import GTP
from tokred.methods.options import GTPOptions

DEFAULTS = {"neighbors": 8, "graph": "mixed", "theta": 1.0, "alpha": 0.1, "proportional": "log"}


class SlowGTP:
    """One image, token by token. The graph is that of spatial tokens."""

    def __init__(self, vit: PlainViT, grid: tuple[int, int], **options: object) -> None:
        self.vit, self.grid, self.options = vit, grid, {**DEFAULTS, **options}

    def run(self, image: Tensor, budgets: dict[int, int]) -> tuple[Tensor, list[list[int]]]:
        """Logits, and the tokens of the input grid that are kept after each stage, in order."""
        vit, x = self.vit, self.vit.embed(image)
        edges = self.edges(x[vit.prefix :])
        places, scale, patterns = list(range(len(edges))), torch.ones(len(x), dtype=x.dtype), []
        for block in range(12):
            q, k, v = vit.projected(block, vit.norm(f"blocks.{block}.norm1", x))
            bias = scale if self.options["proportional"] == "log" else torch.ones_like(scale)
            attention = vit.probabilities(q, k, bias)
            if block in budgets:
                attention = self.sparse(attention)
            x = x + vit.attended(block, attention, v)
            if block in budgets:
                kept = self.kept(attention, budgets[block])
                x, scale = self.propagated(x, scale, kept, edges)
                edges = [[edges[i][j] for j in kept] for i in kept]
                places = [places[i] for i in kept]
                patterns.append(places)
            x = vit.mlp(block, x)
        return vit.logits(x), patterns

    def edges(self, x: Tensor) -> list[list[float]]:
        total, columns = len(x), self.grid[1]
        unit = x / x.norm(dim=1, keepdim=True)
        cosine = (unit @ unit.T).tolist()
        graph = [[0] * total for _ in range(total)]
        for i in range(total):
            # The (N - M)-th smallest of the row.
            threshold = sorted(cosine[i])[total - self.options["neighbors"] - 1]
            for j in range(total):
                rows_apart = abs(i // columns - j // columns)
                columns_apart = abs(i % columns - j % columns)
                similar = cosine[i][j] >= threshold and self.options["graph"] != "spatial"
                near = max(rows_apart, columns_apart) == 1 and self.options["graph"] != "semantic"
                graph[i][j] = int(i != j and (similar or near))
        degree = [sum(row) for row in graph]
        return [[graph[i][j] / math.sqrt(degree[i] * degree[j]) for j in range(total)] for i in range(total)]

    def sparse(self, attention: Tensor) -> Tensor:
        count = int(attention[0].numel() * (1 - self.options["theta"]))
        if count == 0:
            return attention
        thresholds = [sorted(head.flatten().tolist())[count - 1] for head in attention]
        return torch.stack(
            [
                torch.where(head >= threshold, head, 0.0)
                for head, threshold in zip(attention, thresholds, strict=True)
            ]
        )

    def kept(self, attention: Tensor, budget: int) -> list[int]:
        scores = []
        for j in range(self.vit.prefix, attention.shape[1]):
            to_self = max(float(head[j, j]) for head in attention)
            scores.append(to_self * max(float(head[:, j].sum()) for head in attention))
        return sorted(range(len(scores)), key=lambda i: -scores[i])[:budget]

    def propagated(
        self, x: Tensor, scale: Tensor, kept: list[int], edges: list[list[float]]
    ) -> tuple[Tensor, Tensor]:
        prefix, alpha = self.vit.prefix, self.options["alpha"]
        removed = [j for j in range(len(edges)) if j not in kept]
        tokens, scales = list(x[:prefix]), list(scale[:prefix])
        for i in kept:
            tokens.append(x[prefix + i] + sum(alpha * edges[i][j] * x[prefix + j] for j in removed))
            scales.append(scale[prefix + i] + sum(alpha * edges[i][j] * scale[prefix + j] for j in removed))
        return torch.stack(tokens), torch.stack(scales)


CASES = [
    ((32, 32), {}, tokred.schedules.Constant(4), {}),
    ((24, 32), {}, tokred.schedules.Constant(3), {"theta": 0.9, "alpha": 0.4}),
    ((24, 24), {"reg_tokens": 2}, tokred.schedules.Constant(2), {"theta": 0.6}),
    ((24, 32), {}, tokred.schedules.Constant(3), {"graph": "semantic", "neighbors": 3, "alpha": 0.5}),
    ((32, 24), {}, tokred.schedules.Constant(3), {"graph": "spatial", "alpha": 1.0}),
    ((24, 24), {}, tokred.schedules.Constant(2), {"proportional": "none"}),
    ((24, 24), {}, tokred.schedules.Stages(keep_rate=0.5), {"alpha": 0.3}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("size", "shape", "schedule", "options"), CASES)
@torch.no_grad()
def test_gtp_is_its_slow_formulation(
    size: tuple[int, int], shape: dict[str, int], schedule: object, options: dict[str, object]
) -> None:
    """With theta below 1 tokens may have equal scores of 0, of which those further back go."""
    vit = small_vit(img_size=size, **shape).double()
    model = tokred.reduce(vit, "gtp", schedule=schedule, **options)
    batch, grid = images(2, size).double(), (size[0] // 4, size[1] // 4)
    logits, trace = model.trace(batch)
    budgets = {reducer.stage.block: reducer.stage.budget for reducer in model.reducers}
    for index, image in enumerate(batch):
        expected, patterns = SlowGTP(PlainViT(vit), grid, **options).run(image, budgets)
        assert [stage.anchor[index].tolist() for stage in trace.stages] == patterns
        for stage, kept in zip(trace.stages, patterns, strict=True):
            assert (stage.assign[index] >= 0).nonzero().flatten().tolist() == sorted(kept)
        torch.testing.assert_close(logits[index], expected, atol=1e-9, rtol=1e-9)


def _reducer(**options: object) -> GTP:
    stage = Stage(1, 1, 3, 0.5, grid=(2, 3), embed_dim=2, block=0, depth=1, budgets=(3,))
    return GTP(stage, GTPOptions(**options))


def test_graph_of_neighbors_on_the_grid() -> None:
    """2 x 3 tokens: those in the middle column touch all others, those at a corner touch three."""
    found = _reducer(graph="spatial").begin(torch.randn(1, 6, 2))[0]
    corner, middle = 1 / 3, 1 / 5
    mixed = math.sqrt(corner * middle)
    expected = [
        [0, mixed, 0, corner, mixed, 0],
        [mixed, 0, mixed, mixed, middle, mixed],
        [0, mixed, 0, 0, mixed, corner],
        [corner, mixed, 0, 0, mixed, 0],
        [mixed, middle, mixed, mixed, 0, mixed],
        [0, mixed, corner, 0, mixed, 0],
    ]
    torch.testing.assert_close(found, torch.tensor(expected))


def test_graph_of_similar_tokens_is_directed() -> None:
    """Directions at 0, 10, 30, 70, 75 and 200 degrees, and the nearest other of each."""
    angles = torch.tensor([0.0, 10.0, 30.0, 70.0, 75.0, 200.0]).deg2rad()
    lengths = torch.tensor([1.0, 3.0, 2.0, 1.0, 5.0, 1.0])
    x = torch.stack([angles.cos(), angles.sin()], dim=1) * lengths.unsqueeze(1)
    found = _reducer(graph="semantic", neighbors=1).begin(x.unsqueeze(0))[0]
    assert found.nonzero().tolist() == [[0, 1], [1, 0], [2, 1], [3, 4], [4, 3], [5, 4]]
    assert found[found > 0].tolist() == [1.0] * 6


def test_more_neighbors_than_tokens() -> None:
    found = _reducer(graph="semantic", neighbors=50).begin(torch.randn(2, 6, 2))
    torch.testing.assert_close(found, (1 - torch.eye(6)).expand(2, -1, -1) / 5)


def test_one_token_has_no_neighbor() -> None:
    """Its graph is empty, and its degree is 0."""
    stage = Stage(1, 1, 1, 1.0, grid=(1, 1), embed_dim=2, block=0, depth=1, budgets=(1,))
    assert GTP(stage, GTPOptions()).begin(torch.randn(1, 1, 2)).tolist() == [[[0.0]]]


def test_the_graph_does_not_depend_on_automatic_precision() -> None:
    """Half precision has ties that the tokens do not have."""
    x = torch.randn(4, 6, 2, generator=torch.Generator().manual_seed(0))
    expected = _reducer(neighbors=2).begin(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(_reducer(neighbors=2).begin(x), expected)


@torch.no_grad()
def test_mean_pooling_takes_tokens_alike() -> None:
    """Kept tokens are sums, so that their scale is no weight."""
    model = tokred.reduce(small_vit(global_pool="avg"), "gtp", schedule=tokred.schedules.Constant(4))
    tokens = model.forward_features(images())
    torch.testing.assert_close(model(images()), model.head(model.fc_norm(tokens[:, 1:].mean(dim=1))))


def test_published_number_of_tokens() -> None:
    """8 tokens in each of 12 blocks leave 101 of 197 (Xu et al. 2024)."""
    model = tokred.reduce(small_vit(img_size=56), "gtp", schedule=tokred.schedules.Constant(8))
    assert [reducer.stage.budget for reducer in model.reducers] == list(range(188, 99, -8))


def test_attention_dropout_acts_in_training() -> None:
    model = tokred.reduce(small_vit(attn_drop_rate=0.5), "gtp", schedule=tokred.schedules.Constant(4))
    assert torch.equal(model(images()), model(images()))
    model.train()
    assert not torch.allclose(model(images()), model(images()), atol=1e-3)
