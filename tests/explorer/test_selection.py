"""The choice of images is even over classes, however many there are, and the same every time."""

from __future__ import annotations

import numpy as np
import pytest

from tokred.explorer.selection import first_class, preference_order


def ids(count: int) -> np.ndarray:
    return np.array([f"image-{index:04d}" for index in range(count)])


@pytest.mark.parametrize("classes", [1, 2, 3, 10, 17])
def test_every_beginning_is_even_over_the_classes(classes: int) -> None:
    labels = np.random.default_rng(0).permutation(np.arange(classes * 6) % classes)
    order = preference_order(ids(len(labels)), labels)
    assert sorted(order) == list(range(len(labels)))
    for count in range(1, len(order) + 1):
        of_class = np.bincount(labels[order[:count]], minlength=classes)
        assert of_class.max() - of_class.min() <= 1


def test_a_few_of_many_classes_are_far_apart() -> None:
    labels = np.arange(1000)
    for count in (8, 24, 36):
        chosen = np.sort(labels[preference_order(ids(1000), labels)[:count]])
        assert np.diff(chosen).max() <= 2.1 * 1000 / count
        assert chosen[-1] > 1000 - 2.1 * 1000 / count


def test_order_of_the_table_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    labels, names = rng.integers(0, 4, 30), ids(30)
    shuffled = rng.permutation(30)
    expected = names[preference_order(names, labels)]
    np.testing.assert_array_equal(
        names[shuffled][preference_order(names[shuffled], labels[shuffled])], expected
    )


def test_within_a_class_by_id() -> None:
    names = np.array(["c", "a", "b"])
    assert names[preference_order(names, np.zeros(3, dtype=int))].tolist() == ["a", "b", "c"]


def test_several_labels_count_as_the_first() -> None:
    hot = np.array([[0, 1, 1], [1, 0, 0], [0, 0, 0], [0, 0, 1]], dtype=np.uint8)
    assert first_class(hot).tolist() == [1, 0, 3, 2]
    assert sorted(preference_order(ids(4), hot)) == [0, 1, 2, 3]
