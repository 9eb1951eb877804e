"""Description and rows of an image table."""

from __future__ import annotations

from dataclasses import dataclass

from tokred.names import nearest

#: The splits of every data set.
SPLITS = ("train", "test")
#: One label per image, or any number of them.
TASKS = ("single", "multi")


@dataclass(frozen=True)
class TableInfo:
    """Description of an image table.

    Attributes:
        dataset: name of the data set.
        split: "train" or "test".
        task: "single" (one label per image) or "multi" (any number).
        classes: distinct class names, in the order of labels.

    Raises:
        ValueError: an unknown split or task, no classes, or duplicate class names.
    """

    dataset: str
    split: str
    task: str
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        check_split(self.split)
        _check_name("task", self.task, TASKS)
        if not self.classes:
            raise ValueError(f"data set {self.dataset!r}: expected at least one class, found none")
        if len(set(self.classes)) != len(self.classes):
            twice = next(name for i, name in enumerate(self.classes) if name in self.classes[:i])
            raise ValueError(f"data set {self.dataset!r}: class {twice!r} occurs twice")


@dataclass(frozen=True)
class Row:
    """One image.

    Attributes:
        image_id: unique id.
        data: encoded bytes; None if the image stays in the file `path`.
        path: file of the image, or a file name for `data`.
        label: class index, or a list of them with several labels.
        mask: encoded bytes of the object mask, or its file; None without a mask.
    """

    image_id: str
    data: bytes | None
    path: str
    label: int | list[int]
    mask: bytes | str | None = None

    def labels(self) -> list[int]:
        """The image's labels as a list."""
        return self.label if isinstance(self.label, list) else [self.label]

    def check_label(self, info: TableInfo) -> None:
        """Raise ValueError for a label outside the classes."""
        labels = self.labels()
        wrong = [label for label in labels if not 0 <= label < len(info.classes)]
        if wrong:
            raise ValueError(
                f"data set {info.dataset!r}, image {self.image_id!r}: label {wrong[0]}, "
                f"expected 0 to {len(info.classes) - 1}"
            )


def check_split(split: str) -> str:
    """The split; ValueError for an unknown name."""
    return _check_name("split", split, SPLITS)


def _check_name(kind: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        expected = " or ".join(map(repr, known))
        raise ValueError(f"{kind} {value!r}{nearest(value, known)}: expected {expected}")
    return value
