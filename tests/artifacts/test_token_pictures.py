"""Pictures of single images: what is dimmed, colored, outlined and marked."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tokred.artifacts.token_pictures import Columns, Fates, Part, draw_fates

#: 2 x 3 tokens of 2 x 2 pixels.
IMAGE = np.random.default_rng(0).uniform(0, 0.8, (4, 6, 3))
KEPT = np.array([[[1, 0, 1], [0, 1, 0]]], dtype=bool)
CLUSTERS = np.array([[[0, 0, 1], [-1, 2, -1]]])
ONE = Columns([""], ["after 1 of 2 blocks"])


def drawn(fates: Fates | None, part: Part) -> tuple[Figure, Axes]:
    """The figure of one method and stage, and the panel beside the image."""
    fig = draw_fates(IMAGE, (2, 3), [("method", [fates])], ONE, part)
    image, panel = fig.axes
    np.testing.assert_array_equal(image.images[0].get_array(), IMAGE)
    return fig, panel


def tokens(values: NDArray) -> NDArray:
    """(2, 3, 2, 2, 3) pixels of each token."""
    return np.asarray(values).reshape(2, 2, 3, 2, 3).transpose(0, 2, 1, 3, 4)


def test_a_method_that_drops_and_merges_shows_both() -> None:
    _, panel = drawn(Fates(KEPT, CLUSTERS), "both")
    shown, image = tokens(panel.images[0].get_array()), tokens(IMAGE)
    both = image[0, :2].mean(axis=(0, 1, 2))
    np.testing.assert_allclose(shown[0, :2], np.broadcast_to(both, (2, 2, 2, 3)))
    for place in ((0, 2), (1, 1)):
        mean = image[place].mean(axis=(0, 1))
        np.testing.assert_allclose(shown[place], np.broadcast_to(mean, (2, 2, 3)))
    for place in ((1, 0), (1, 2)):
        np.testing.assert_allclose(shown[place], 1 - 0.18 * (1 - image[place]))
    outlines, dots = panel.collections
    assert len(outlines.get_segments()) == 3 + 3, "three across the rows, one and two within them"
    np.testing.assert_array_equal(dots.get_offsets(), [[0.5, 0.5]], "the only center of several tokens")


def test_clusters_alone_have_no_dots_and_a_pruning_method_dims() -> None:
    _, panel = drawn(Fates(KEPT, CLUSTERS), "clusters")
    assert len(panel.collections) == 1
    for part, fates in (("both", Fates(KEPT, None)), ("kept", Fates(KEPT, CLUSTERS))):
        _, panel = drawn(fates, part)
        shown, mask = np.asarray(panel.images[0].get_array()), KEPT[0].repeat(2, axis=0).repeat(2, axis=1)
        np.testing.assert_allclose(shown[mask], IMAGE[mask])
        np.testing.assert_allclose(shown[~mask], 1 - 0.18 * (1 - IMAGE[~mask]))


def test_texts_and_titles_and_a_dash_for_what_is_not_there() -> None:
    columns = Columns(["$r$ = 25 %", "$r$ = 50 %"], ["stage 1", "stage 2"])
    both = Fates(KEPT.repeat(2, axis=0), None, ("3 tokens", "2 tokens"))
    fig = draw_fates(IMAGE, (2, 3), [("a", [None, both]), ("b", [both, both])], columns, "both")
    first, second = fig.axes[:5], fig.axes[5:]
    assert [axes.get_ylabel() for axes in (first[0], second[0])] == ["a", "b"]
    titles = ["image", "$r$ = 25 %\nstage 1", "\nstage 2", "$r$ = 50 %\nstage 1", "\nstage 2"]
    assert [axes.get_title() for axes in first] == titles
    assert [axes.get_xlabel() for axes in first] == ["", "", "", "3 tokens", "2 tokens"]
    assert [[text.get_text() for text in axes.texts] for axes in first[1:]] == [["–"], ["–"], [], []]


@pytest.mark.slow
def test_pages_fit_whatever_is_on_them() -> None:
    columns = Columns([f"{n}" for n in range(4)], ["stage"] * 4)
    fates = Fates(KEPT.repeat(4, axis=0), None, ("3 tokens",) * 4)
    fig = draw_fates(IMAGE, (2, 3), [(f"{n}", [fates] * 4) for n in range(12)], columns, "both", largest=1.4)
    width, height = fig.get_size_inches()
    assert width <= 6.9
    assert height <= 9
    alone = draw_fates(IMAGE, (2, 3), [("a", [fates] * 4)], columns, "both")
    assert alone.get_size_inches()[1] < height


@pytest.mark.parametrize(
    ("kept", "clusters", "expected"),
    [(KEPT, None, [True, False, True]), (None, CLUSTERS, [False, True, True])],
)
def test_parts_that_there_are(kept: NDArray | None, clusters: NDArray | None, expected: list[bool]) -> None:
    assert [Fates(kept, clusters).has(part) for part in ("kept", "clusters", "both")] == expected
