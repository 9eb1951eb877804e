"""Agglomerative clustering: all implementations against SciPy's merges, and against the definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.cluster import hierarchy
from torch import Tensor

from tokred.methods import linkage
from tokred.methods.linkage import by_forest, cluster, in_rounds, in_steps, one_by_one

LINKAGES = ["single", "complete", "average"]


def by_rounds(distance: Tensor, num_clusters: int, kind: str) -> Tensor:
    """In batched tensors, outside of graphs."""
    if kind == "single":
        return by_forest(distance, num_clusters)
    return in_rounds(distance, num_clusters, kind)


def by_steps(distance: Tensor, num_clusters: int, kind: str) -> Tensor:
    """In batched tensors, in graphs."""
    if kind == "single":
        return by_forest(distance, num_clusters)
    return in_steps(distance, num_clusters, kind)


IMPLEMENTATIONS = [one_by_one, by_rounds, by_steps]


def distances(images: int, tokens: int, seed: int = 0) -> Tensor:
    """(B, N, N) cosine distances of random features, symmetric but for rounding, without ties."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(images, tokens, 6, dtype=torch.float64, generator=generator)
    x = torch.nn.functional.normalize(x, dim=-1)
    return 1 - x @ x.transpose(1, 2)


def numbered(groups: list[set[int]]) -> list[int]:
    """The group of each token, where groups are in the order of their lowest tokens."""
    ordered = sorted(groups, key=min)
    return [next(i for i, g in enumerate(ordered) if t in g) for t in range(sum(map(len, groups)))]


def by_definition(distance: NDArray, num_clusters: int, kind: str) -> list[int]:
    """Merge the two nearest clusters, again and again, by the distances of all of their tokens."""
    over = {"single": np.min, "complete": np.max, "average": np.mean}[kind]
    groups = [{token} for token in range(len(distance))]
    while len(groups) > num_clusters:
        a, b = min(
            itertools.combinations(range(len(groups)), 2),
            key=lambda pair: over([distance[i, j] for i in groups[pair[0]] for j in groups[pair[1]]]),
        )
        groups[a] |= groups.pop(b)
    return numbered(groups)


def by_undoing(distance: NDArray, num_clusters: int, kind: str) -> list[int]:
    """All of SciPy's merges but the last K - 1."""
    tokens = len(distance)
    merges = hierarchy.linkage(distance[np.triu_indices(tokens, 1)], kind)
    nodes = {token: {token} for token in range(tokens)}
    for step, (a, b) in enumerate(merges[: tokens - num_clusters, :2].astype(int)):
        nodes[tokens + step] = nodes.pop(a) | nodes.pop(b)
    return numbered(list(nodes.values()))


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("kind", LINKAGES)
@pytest.mark.parametrize("tokens", [2, 3, 9, 24])
def test_by_definition(implementation: object, kind: str, tokens: int) -> None:
    of_images = distances(3, tokens)
    for num_clusters in sorted({1, 2, tokens // 2, tokens - 1, tokens}):
        found = implementation(of_images, num_clusters, kind)
        for image in range(3):
            expected = by_definition(of_images[image].numpy(), num_clusters, kind)
            assert found[image].tolist() == expected
            assert set(expected) == set(range(num_clusters))


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("kind", LINKAGES)
@pytest.mark.parametrize(("tokens", "kept"), [(196, (137, 98, 49)), (98, (49, 24)), (50, (49, 12, 3, 1))])
def test_last_merges_are_undone(
    implementation: object, kind: str, tokens: int, kept: tuple[int, ...]
) -> None:
    of_images = distances(4, tokens, seed=tokens)
    for num_clusters in kept:
        found = implementation(of_images, num_clusters, kind)
        for image in range(4):
            assert found[image].tolist() == by_undoing(of_images[image].numpy(), num_clusters, kind)


@pytest.mark.parametrize("kind", LINKAGES)
def test_implementations_agree_on_many_images(kind: str) -> None:
    of_images = distances(200, 30, seed=1)
    for num_clusters in (1, 7, 15, 29, 30):
        found = one_by_one(of_images, num_clusters, kind)
        assert torch.equal(found, by_rounds(of_images, num_clusters, kind))
        assert torch.equal(found, by_steps(of_images, num_clusters, kind))
        assert found.amax(dim=1).unique().tolist() == [num_clusters - 1]


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("kind", LINKAGES)
def test_negative_distances(implementation: object, kind: str) -> None:
    """As of equal tokens by rounding: the order of distances counts, not their sign."""
    of_images = distances(4, 20)
    assert torch.equal(implementation(of_images - 1.5, 8, kind), implementation(of_images, 8, kind))


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("kind", LINKAGES)
def test_only_the_upper_triangle_counts(implementation: object, kind: str) -> None:
    of_images = distances(4, 20)
    other = of_images.triu(1) + torch.full_like(of_images, -3.0).tril()
    assert torch.equal(implementation(other, 8, kind), implementation(of_images, 8, kind))


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("kind", LINKAGES)
def test_smallest_inputs(implementation: object, kind: str) -> None:
    assert implementation(distances(2, 1), 1, kind).tolist() == [[0], [0]]
    assert implementation(distances(2, 5), 1, kind).tolist() == [[0] * 5] * 2
    assert implementation(distances(2, 5), 5, kind).tolist() == [list(range(5))] * 2
    for num_clusters in (1, 3, 5):
        assert implementation(distances(2, 5)[:0], num_clusters, kind).shape == (0, 5)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("kind", LINKAGES)
def test_equal_distances_leave_as_many_clusters(implementation: object, kind: str) -> None:
    """Where `fcluster` finds one cluster only; always the same ones."""
    equal = torch.ones(2, 12, 12, dtype=torch.float64)
    upper = equal[0][np.triu_indices(12, 1)].numpy()
    assert hierarchy.fcluster(hierarchy.linkage(upper, kind), 5, "maxclust").max() == 1
    found = implementation(equal, 5, kind)
    assert set(found[0].tolist()) == set(range(5))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found, implementation(equal, 5, kind))


@pytest.mark.parametrize("implementation", [by_rounds, by_steps])
@pytest.mark.parametrize("kind", LINKAGES)
def test_ties_go_to_the_lowest_token(implementation: object, kind: str) -> None:
    assert implementation(torch.ones(1, 5, 5), 3, kind).tolist() == [[0, 0, 0, 1, 2]]


@pytest.mark.parametrize("kind", LINKAGES)
def test_many_equal_distances(kind: str) -> None:
    """Points of a grid have few different distances: clusters may differ, heights of the merges may not."""
    x = torch.stack(torch.meshgrid(torch.arange(5.0), torch.arange(6.0), indexing="ij"), -1).flatten(0, 1)
    of_image = torch.cdist(x, x, p=1)[None]
    for num_clusters in (1, 4, 11, 29):
        found = by_rounds(of_image, num_clusters, kind)
        assert set(found[0].tolist()) == set(range(num_clusters))
        if kind == "single":  # neighbors of the grid are at distance 1, so no merge is higher
            for cluster_id in range(num_clusters):
                inside = of_image[0][found[0] == cluster_id][:, found[0] == cluster_id]
                assert inside.fill_diagonal_(1).amin(dim=1).max() == 1


@pytest.mark.parametrize("kind", LINKAGES)
def test_merges_one_after_the_other(kind: str) -> None:
    """Each token is twice as far as the one before: rounds find one merge each."""
    x = 2.0 ** torch.arange(14, dtype=torch.float64)
    of_image = (x[:, None] - x).abs()[None]
    for num_clusters in (1, 5, 13):
        expected = by_undoing(of_image[0].numpy(), num_clusters, kind)
        for implementation in IMPLEMENTATIONS:
            assert implementation(of_image, num_clusters, kind)[0].tolist() == expected


@pytest.mark.parametrize("kind", ["complete", "average"])
def test_rounds_merge_many_pairs_at_once(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    of_images = distances(4, 196)
    reads = []
    as_bool = torch.Tensor.__bool__
    monkeypatch.setattr(torch.Tensor, "__bool__", lambda value: reads.append(value) or as_bool(value))
    in_rounds(of_images, 98, kind)
    assert 2 < len(reads) < 20  # of 98 steps


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_no_number_is_far(implementation: object, dtype: torch.dtype) -> None:
    distance = torch.full((1, 4, 4), torch.nan, dtype=dtype)
    distance[0, 1, 3] = 0.5
    assert implementation(distance, 3, "average").tolist() == [[0, 1, 2, 1]]


def test_implementations_by_device_and_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """SciPy on the CPU, batched tensors elsewhere and in graphs, whose steps cannot depend on data."""
    for name in ("one_by_one", "by_forest", "in_rounds", "in_steps"):
        monkeypatch.setattr(linkage, name, lambda *arguments, name=name: name)
    on_cpu = distances(1, 5)
    elsewhere = type("OnDevice", (), {"shape": on_cpu.shape, "device": torch.device("cuda")})()
    without_data = on_cpu.to("meta")
    chosen = {
        "CPU": (on_cpu, "one_by_one", "one_by_one"),
        "GPU": (elsewhere, "by_forest", "in_rounds"),
        "meta": (without_data, "by_forest", "in_steps"),
    }
    for distance, single, average in chosen.values():
        assert (cluster(distance, 2, "single"), cluster(distance, 2, "average")) == (single, average)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    for distance in (on_cpu, elsewhere):
        assert (cluster(distance, 2, "single"), cluster(distance, 2, "average")) == ("by_forest", "in_steps")


@pytest.mark.parametrize("kind", LINKAGES)
def test_shapes_without_data(kind: str) -> None:
    assert cluster(distances(2, 9).to("meta"), 4, kind).shape == (2, 9)


@pytest.mark.filterwarnings("ignore:`torch.jit.trace:FutureWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("kind", LINKAGES)
def test_traced_graphs_hold_for_other_images(kind: str) -> None:
    def clusters(distance: Tensor) -> Tensor:
        return cluster(distance, 6, kind)

    traced = torch.jit.trace(clusters, distances(2, 15), check_trace=False)
    other = distances(2, 15, seed=1)
    assert torch.equal(traced(other), cluster(other, 6, kind))


def test_inputs_do_not_change() -> None:
    before = distances(2, 12)
    for implementation in IMPLEMENTATIONS:
        implementation(before, 4, "average")
    assert torch.equal(before, distances(2, 12))


@pytest.mark.parametrize("num_clusters", [0, 6, -1])
def test_impossible_numbers_of_clusters(num_clusters: int) -> None:
    with pytest.raises(ValueError, match=f"num_clusters {num_clusters}: expected 1 to 5, the number of tok"):
        cluster(distances(2, 5), num_clusters, "average")
