"""Metrics of CLS features against formulas on the whole matrices, with full singular value decompositions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.metrics.pairs import covariances
from tokred.metrics.registry import METRICS

FEATURES = [name for name, metric in METRICS.items() if metric.kind == "features"]


def measure(name: str, a: NDArray, b: NDArray) -> tuple[float, int]:
    return METRICS[name].load()(covariances(a, b))


def oracle(name: str, a: NDArray, b: NDArray) -> float:
    """The textbook formula; features (n, d) become (d, n), centered over images, of norm 1."""
    first, second = ((x - x.mean(axis=0)).T for x in (a, b))
    first, second = first / np.linalg.norm(first), second / np.linalg.norm(second)
    if name == "procrustes":
        return np.sum(first**2) + np.sum(second**2) - 2 * np.linalg.norm(first @ second.T, "nuc")
    if name == "cka":
        scale = np.linalg.norm(first @ first.T) * np.linalg.norm(second @ second.T)
        return 1 - np.linalg.norm(second @ first.T) ** 2 / scale
    base_a, base_b = (_basis(x) for x in (first, second))  # rows: orthonormal directions over images
    left, rho, _ = np.linalg.svd(base_a @ base_b.T, full_matrices=False)
    if name == "cca":
        return rho.mean()
    if name == "cca_squared":
        return (rho**2).mean()
    variates = left.T @ base_a
    weights = np.abs(variates @ first.T).sum(axis=1)
    return 1 - (weights / weights.sum()) @ rho


def _basis(x: NDArray) -> NDArray:
    _, values, rows = np.linalg.svd(x, full_matrices=False)
    return rows[values > 1e-6 * values[0]]


def pair(
    rng: np.random.Generator, images: int = 200, d_a: int = 12, d_b: int = 12
) -> tuple[NDArray, NDArray]:
    shared = rng.normal(size=(images, 6))
    a = shared @ rng.normal(size=(6, d_a)) + rng.normal(size=(images, d_a)) + 3
    b = shared @ rng.normal(size=(6, d_b)) + rng.normal(size=(images, d_b)) - 1
    return a.astype(np.float32), b.astype(np.float32)


@pytest.mark.parametrize("name", FEATURES)
def test_against_full_matrices(name: str, rng: np.random.Generator) -> None:
    a, b = pair(rng)
    assert measure(name, a, b) == (pytest.approx(oracle(name, a.astype(float), b.astype(float)), abs=1e-5), 0)


@pytest.mark.parametrize("name", ["cka", "pwcca", "cca", "cca_squared"])
def test_different_widths(name: str, rng: np.random.Generator) -> None:
    a, b = pair(rng, d_a=9, d_b=14)
    assert measure(name, a, b)[0] == pytest.approx(oracle(name, a.astype(float), b.astype(float)), abs=1e-5)
    with pytest.raises(ValueError, match="width 9 and 14"):
        measure("procrustes", a, b)


@pytest.mark.parametrize("name", FEATURES)
def test_null_directions_are_dropped(name: str, rng: np.random.Generator) -> None:
    """Two features that repeat others change nothing for CCA, and are counted."""
    a, b = pair(rng)
    repeated = np.concatenate([a[:, :10], a[:, :2] * 2], axis=1)
    value, dropped = measure(name, repeated, b)
    assert value == pytest.approx(oracle(name, repeated.astype(float), b.astype(float)), abs=1e-5)
    assert dropped == (2 if "cca" in name else 0)


@pytest.mark.parametrize("name", FEATURES)
def test_fewer_images_than_features(name: str, rng: np.random.Generator) -> None:
    a, b = pair(rng, images=8)
    value, dropped = measure(name, a, b)
    assert value == pytest.approx(oracle(name, a.astype(float), b.astype(float)), abs=1e-4)
    assert dropped == (2 * (12 - 7) if "cca" in name else 0)  # 8 images, centered, span 7 directions


@pytest.mark.parametrize("name", FEATURES)
def test_collapsed_features(name: str, rng: np.random.Generator) -> None:
    a, b = pair(rng)
    value, dropped = measure(name, a, np.full_like(b, 0.1))
    assert np.isnan(value)
    assert dropped == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", FEATURES)
def test_diverged_features(name: str, value: float, rng: np.random.Generator) -> None:
    a, b = pair(rng)
    b[3, 4] = value
    assert np.isnan(measure(name, a, b)[0])
    assert np.isnan(measure(name, b, a)[0])


@pytest.mark.parametrize("name", ["procrustes", "cka", "pwcca"])
def test_distances_stay_within_their_range(name: str, rng: np.random.Generator) -> None:
    """Rounding must not take a distance of 0 below it."""
    for _ in range(50):
        a = rng.normal(size=(50, 8))
        rotation, _ = np.linalg.qr(rng.normal(size=(8, 8)))
        assert measure(name, a, a @ rotation)[0] >= METRICS[name].low


@pytest.mark.parametrize("name", FEATURES)
def test_rotation_and_scale_do_not_matter(name: str, rng: np.random.Generator) -> None:
    a, b = pair(rng)
    rotation, _ = np.linalg.qr(rng.normal(size=(12, 12)))
    assert measure(name, a, 5 * b @ rotation + 2)[0] == pytest.approx(measure(name, a, b)[0], abs=1e-5)
    best = 1.0 if METRICS[name].larger_is_similar else 0.0
    assert measure(name, a, 3 * a @ rotation)[0] == pytest.approx(best, abs=1e-5)
