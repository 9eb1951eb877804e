"""MCTF against a slow formulation of its publication, its schedule, and the layers that it may meet."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import timm
import torch
from timm.layers import Attention
from torch import Tensor, nn

import tokred
from tests.formulations.plain_vit import PlainViT, slots
from tests.small_models import images, small_vit
from tokred.methods.mctf import match_both_ways
from tokred.schedules.macs import Shape, forward_macs, reduced_blocks

GROWING = tokred.schedules.Constant(4, blocks=tuple(range(1, 12)))
OPTIONS = {"tau_sim": 1.0, "tau_info": 20.0, "tau_size": 40.0, "pooling": "attention", "bidirectional": True}


class SlowMCTF:
    """One image, token by token. Positions are those of the whole sequence, prefix tokens first."""

    def __init__(self, vit: PlainViT, **options: object) -> None:
        self.vit, self.options = vit, {**OPTIONS, "attention": "reuse", "proportional": "log", **options}

    def run(self, image: Tensor, budgets: dict[int, int]) -> tuple[Tensor, list[list[int]]]:
        """Logits, and the slot of each input token after each stage."""
        vit, x = self.vit, self.vit.embed(image)
        members = [[token] for token in range(len(x) - vit.prefix)]
        size, patterns = torch.ones(len(x), dtype=x.dtype), []
        for block in range(12):
            y = vit.norm(f"blocks.{block}.norm1", x)
            q, k, v = vit.projected(block, y)
            attention = vit.probabilities(q, k, self.bias(size))
            if block in budgets and len(members) > budgets[block]:
                groups, weight = self.groups(x, attention, size, len(members) - budgets[block])
                x = torch.stack([self.pooled(x, weight, group) for group in groups])
                size = torch.stack([size[group].sum() for group in groups])
                y = vit.norm(f"blocks.{block}.norm1", x)
                q, k, v = vit.projected(block, y)
                if self.options["attention"] == "reuse":
                    attention = self.merged_map(attention, weight, groups)
                else:
                    attention = vit.probabilities(q, k, self.bias(size))
                members = [
                    [token for i in group for token in members[i - vit.prefix]]
                    for group in groups[vit.prefix :]
                ]
            if block in budgets:
                patterns.append(slots(members, sum(map(len, members))))
            x = vit.mlp(block, x + vit.attended(block, attention, v))
        return vit.logits(x), patterns

    def bias(self, size: Tensor) -> Tensor:
        return size if self.options["proportional"] == "log" else torch.ones_like(size)

    def groups(
        self, x: Tensor, attention: Tensor, size: Tensor, number: int
    ) -> tuple[list[list[int]], Tensor]:
        """Positions that become one, in the order of the output, and the weight of each token."""
        total, heads = len(x), len(attention)
        received = [float(attention[:, :, j].sum()) / (heads * total) for j in range(total)]
        info, small = [1 / u for u in received], [1 / s for s in size.tolist()]
        unit = x / x.norm(dim=1, keepdim=True)
        cosine = (unit @ unit.T).tolist()

        def score(a: int, b: int) -> float:
            similar = ((cosine[a][b] + 1) / 2) ** (1 / self.options["tau_sim"])
            q = (info[a] / max(info) * info[b] / max(info)) ** (1 / self.options["tau_info"])
            z = (small[a] / max(small) * small[b] / max(small)) ** (1 / self.options["tau_size"])
            return similar * q * z

        spatial = range(self.vit.prefix, total)
        side_a, side_b = [i for i in spatial if i % 2 == 0], [i for i in spatial if i % 2 == 1]
        scores = {(a, b): score(a, b) for a in side_a for b in side_b}
        forth = number // 2 if self.options["bidirectional"] else number
        best = {a: max(side_b, key=lambda b, a=a: scores[a, b]) for a in side_a}
        gone = sorted(side_a, key=lambda a: -scores[a, best[a]])[:forth]
        left = [a for a in side_a if a not in gone]
        content = {b: [b, *(a for a in gone if best[a] == b)] for b in side_b}
        if self.options["bidirectional"]:
            partner = {b: max(left, key=lambda a, b=b: scores[a, b]) for b in side_b}
            side_b = sorted(side_b, key=lambda b: -scores[partner[b], b])
        merging = side_b[: number - forth]
        groups = [[a, *(i for b in merging if partner[b] == a for i in content[b])] for a in left]
        weight = [u * s / max(size.tolist()) for u, s in zip(received, size.tolist(), strict=True)]
        if self.options["pooling"] in ("size", "mean"):
            weight = size.tolist() if self.options["pooling"] == "size" else [1.0] * total
        prefix = [[i] for i in range(self.vit.prefix)]
        return prefix + groups + [content[b] for b in side_b[number - forth :]], torch.tensor(
            weight, dtype=x.dtype
        )

    def pooled(self, x: Tensor, weight: Tensor, group: list[int]) -> Tensor:
        if self.options["pooling"] == "max":
            return x[group].max(dim=0).values
        return sum(weight[i] * x[i] for i in group) / sum(weight[i] for i in group)

    def merged_map(self, attention: Tensor, weight: Tensor, groups: list[list[int]]) -> Tensor:
        """Columns of a group are summed, its rows averaged."""
        columns = torch.stack([attention[:, :, group].sum(dim=2) for group in groups], dim=2)
        rows = [
            sum(weight[i] * columns[:, i] for i in group) / sum(weight[i] for i in group) for group in groups
        ]
        return torch.stack(rows, dim=1)


CASES = [
    ({}, (32, 32), GROWING, {}),
    ({"reg_tokens": 1}, (24, 32), GROWING, {}),
    ({"reg_tokens": 2}, (24, 24), tokred.schedules.Constant(3), {}),
    ({}, (24, 32), tokred.schedules.Stages(keep_rate=0.65), {"tau_sim": 2.0, "tau_info": 5, "tau_size": 3}),
    ({}, (24, 24), GROWING, {"bidirectional": False}),
    ({}, (24, 24), tokred.schedules.Constant(3), {"pooling": "size"}),
    ({}, (24, 24), tokred.schedules.Constant(3), {"pooling": "mean", "proportional": "none"}),
    ({}, (24, 24), tokred.schedules.Constant(3), {"pooling": "max"}),
    ({}, (24, 24), tokred.schedules.Constant(3), {"attention": "recompute"}),
    ({}, (24, 24), tokred.schedules.Constant(1), {}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "size", "schedule", "options"), CASES)
@torch.no_grad()
def test_mctf_is_its_slow_formulation(
    shape: dict[str, int], size: tuple[int, int], schedule: object, options: dict[str, object]
) -> None:
    vit = small_vit(img_size=size, **shape).double()
    model = tokred.reduce(vit, "mctf", schedule=schedule, **options)
    batch = images(2, size).double()
    logits, trace = model.trace(batch)
    budgets = {reducer.stage.block: reducer.stage.budget for reducer in model.reducers}
    for index, image in enumerate(batch):
        expected, patterns = SlowMCTF(PlainViT(vit), **options).run(image, budgets)
        assert [stage.assign[index].tolist() for stage in trace.stages] == patterns
        torch.testing.assert_close(logits[index], expected, atol=1e-9, rtol=1e-9)


def test_mctf_gradients_are_those_of_the_slow_formulation() -> None:
    """The attention map has gradients as a map, and none as a criterion or weight."""
    vit = small_vit(img_size=(24, 24)).double()
    model = tokred.reduce(vit, "mctf", schedule=tokred.schedules.Constant(5, blocks=(2, 6))).train()
    batch, weights = images(1, (24, 24)).double(), [vit.blocks[i].attn.qkv.weight for i in (0, 2, 6, 9)]
    found = torch.autograd.grad(model(batch).square().sum(), weights)
    slow = SlowMCTF(PlainViT(vit))
    groups = slow.groups
    slow.groups = lambda x, attention, size, number: groups(x.detach(), attention.detach(), size, number)
    expected = torch.autograd.grad(slow.run(batch[0], {2: 31, 6: 26})[0].square().sum(), weights)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-7)


def test_published_numbers_of_tokens_and_cost() -> None:
    """16 tokens in each block but the first, and 35 % at three blocks (Lee, Choi and Kim 2024, DeiT-S)."""
    with torch.device("meta"):
        vit = timm.create_model("deit_small_patch16_224", pretrained=False)
    model = tokred.reduce(vit, "mctf", schedule=tokred.schedules.Constant(16, blocks=range(1, 12)))
    kept = {reducer.stage.block: reducer.stage.budget for reducer in model.reducers}
    assert [kept.get(block, 196) + 1 for block in range(12)] == [197, *range(181, 20, -16)]
    assert _billions(vit, model, kept) == 2.577
    fast = tokred.reduce(vit, "mctf", schedule=tokred.schedules.Ratio(0.65, blocks=(3, 6, 9)))
    kept = {reducer.stage.block: reducer.stage.budget for reducer in fast.reducers}
    assert kept == {3: 128, 6: 84, 9: 55}
    assert _billions(vit, fast, kept) == 2.744


def _billions(vit: nn.Module, model: nn.Module, kept: dict[int, int]) -> float:
    shape = Shape.of(vit)
    return round(forward_macs(shape, reduced_blocks(shape, model.spec.site, kept)).total / 1e9, 3)


@pytest.mark.parametrize(("forth", "back"), [(0, 1), (1, 1), (2, 3), (3, 0)])
def test_equal_scores_are_taken_in_order(forth: int, back: int) -> None:
    """All tokens are alike: the first of A go to the first of B, and the first of B to what is left of A."""
    assign, moved = match_both_ways(torch.ones(2, 4, 5), forth, back)
    assert assign[0].equal(assign[1])
    assert moved[0].nonzero()[:, 0].tolist() == sorted([*range(1, 2 * forth, 2), *range(0, 2 * back, 2)])
    left = 4 - forth
    slot_b = [0] * back + list(range(left, left + 5 - back))
    slot_a = [slot_b[0]] * forth + list(range(left))
    expected = [slot_b[i // 2] if i % 2 == 0 else slot_a[i // 2] for i in range(9)]
    assert assign[0].tolist() == expected


class Adapter(nn.Module):
    """A layer with a correction of low rank, as LoRA's: its own weight is not all that it is."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base, self.weight, self.bias = base, base.weight, base.bias
        generator = torch.Generator().manual_seed(0)
        self.down = nn.Parameter(torch.randn(2, base.in_features, generator=generator) * 0.3)
        self.up = nn.Parameter(torch.randn(base.out_features, 2, generator=generator) * 0.3)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + x @ self.down.T @ self.up.T

    def merged(self) -> nn.Linear:
        layer = nn.Linear(self.base.in_features, self.base.out_features)
        layer.weight = nn.Parameter(self.base.weight + self.up @ self.down)
        layer.bias = self.base.bias
        return layer


def _logits(layers: Sequence[nn.Module]) -> Tensor:
    vit = small_vit()
    for block, layer in zip(vit.blocks, layers, strict=True):
        block.attn.qkv = layer
    with torch.no_grad():
        return tokred.reduce(vit, "mctf", schedule=GROWING)(images())


def test_adapters_of_the_projection_take_part() -> None:
    """Queries and keys are computed apart from values, with all that the layer does."""
    adapters = [Adapter(block.attn.qkv) for block in small_vit().blocks]
    found = _logits(adapters)
    torch.testing.assert_close(found, _logits([layer.merged() for layer in adapters]), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(found, _logits([layer.base for layer in adapters]), atol=1e-3)


@pytest.mark.parametrize("method", ["mctf", "tome"])
def test_hooks_on_the_projection_take_part(method: str) -> None:
    model = tokred.reduce(small_vit(), method, schedule=GROWING)
    with torch.no_grad():
        plain = model(images())
        doubled = [
            block.attn.qkv.register_forward_hook(lambda m, given, out: 2 * out) for block in model.blocks
        ]
        hooked = model(images())
        for handle in doubled:
            handle.remove()
        torch.testing.assert_close(model(images()), plain)
        for block in model.blocks:
            block.attn.qkv.weight.mul_(2)
            block.attn.qkv.bias.mul_(2)
        torch.testing.assert_close(hooked, model(images()), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(hooked, plain, atol=1e-3)


def test_heads_of_another_width() -> None:
    """Heads that are together narrower than a token; a hook that does nothing has the whole layer called."""
    vit = small_vit()
    torch.manual_seed(0)
    for block in vit.blocks:
        block.attn = Attention(24, num_heads=3, attn_head_dim=4, qkv_bias=True)
        torch.nn.init.normal_(block.attn.qkv.weight, std=0.3)
    model = tokred.reduce(vit.eval(), "mctf", schedule=GROWING)
    with torch.no_grad():
        in_parts = model(images())
        for block in model.blocks:
            block.attn.qkv.register_forward_hook(lambda m, given, out: None)
        torch.testing.assert_close(in_parts, model(images()), atol=1e-5, rtol=1e-5)


def test_a_gate_and_layer_scale_act_on_merged_tokens() -> None:
    """A gate that is always open by half, and a layer scale of one half, against smaller projections."""
    vit, scaled = small_vit(init_values=0.5), small_vit()
    for block, other in zip(vit.blocks, scaled.blocks, strict=True):
        block.attn.gate = nn.Linear(24, 24)
        nn.init.zeros_(block.attn.gate.weight)
        nn.init.zeros_(block.attn.gate.bias)
        with torch.no_grad():
            other.attn.proj.weight.copy_(0.25 * block.attn.proj.weight)
            other.attn.proj.bias.copy_(0.5 * block.attn.proj.bias)
            other.mlp.fc2.weight.copy_(0.5 * block.mlp.fc2.weight)
            other.mlp.fc2.bias.copy_(0.5 * block.mlp.fc2.bias)
            for name in ("attn.qkv", "mlp.fc1"):
                other.get_submodule(name).load_state_dict(block.get_submodule(name).state_dict())
    scaled.load_state_dict(
        {name: value for name, value in vit.state_dict().items() if "blocks" not in name}, strict=False
    )
    with torch.no_grad():
        found = tokred.reduce(vit, "mctf", schedule=GROWING)(images())
        expected = tokred.reduce(scaled, "mctf", schedule=GROWING)(images())
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_attention_dropout_acts_in_training() -> None:
    model = tokred.reduce(small_vit(attn_drop_rate=0.5), "mctf", schedule=GROWING)
    assert torch.equal(model(images()), model(images()))
    model.train()
    assert not torch.allclose(model(images()), model(images()), atol=1e-3)
