"""Agglomerative clustering: both implementations against SciPy's merges, and against the definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.cluster import hierarchy
from torch import Tensor

from tokred.methods import linkage
from tokred.methods.linkage import batched, cluster, one_by_one

LINKAGES = ["single", "complete", "average"]
IMPLEMENTATIONS = [one_by_one, batched]


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
        assert torch.equal(found, batched(of_images, num_clusters, kind))
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


def test_ties_go_to_the_lowest_token() -> None:
    assert batched(torch.ones(1, 5, 5), 3, "complete").tolist() == [[0, 0, 0, 1, 2]]


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_no_number_is_far(implementation: object, dtype: torch.dtype) -> None:
    distance = torch.full((1, 4, 4), torch.nan, dtype=dtype)
    distance[0, 1, 3] = 0.5
    assert implementation(distance, 3, "average").tolist() == [[0, 1, 2, 1]]


def test_implementations_by_device_and_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """SciPy on the CPU, and batched tensors elsewhere and in graphs."""
    monkeypatch.setattr(linkage, "one_by_one", lambda *arguments: "one by one")
    monkeypatch.setattr(linkage, "batched", lambda *arguments: "batched")
    assert cluster(distances(1, 5), 2, "single") == "one by one"
    assert cluster(distances(1, 5).to("meta"), 2, "single") == "batched"
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert cluster(distances(1, 5), 2, "single") == "batched"


def test_inputs_do_not_change() -> None:
    before = distances(2, 12)
    for implementation in IMPLEMENTATIONS:
        implementation(before, 4, "average")
    assert torch.equal(before, distances(2, 12))


@pytest.mark.parametrize("num_clusters", [0, 6, -1])
def test_impossible_numbers_of_clusters(num_clusters: int) -> None:
    with pytest.raises(ValueError, match=f"num_clusters {num_clusters}: expected 1 to 5, the number of tok"):
        cluster(distances(2, 5), num_clusters, "average")
