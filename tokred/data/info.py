"""What an image table holds: its description and its rows."""

from __future__ import annotations

from dataclasses import dataclass

from tokred.names import nearest

#: The splits of every data set.
SPLITS = ("train", "test")
#: One label an image, or any number of them.
TASKS = ("single", "multi")


@dataclass(frozen=True)
class TableInfo:
    """What a table holds.

    Attributes:
        dataset: name of the data set.
        split: "train" or "test".
        task: "single" (one label an image) or "multi" (any number).
        classes: class names, in the order of labels; no name stands twice.

    Raises:
        ValueError: another split or task, no classes, or a name that stands twice.
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
    """One image: its id, its encoded bytes, a name for them, its label or labels, its object mask.

    Where `data` is None the image stays in the file `path`. The mask is encoded bytes, or the name of a file;
    None: the image has none.
    """

    image_id: str
    data: bytes | None
    path: str
    label: int | list[int]
    mask: bytes | str | None = None

    def labels(self, info: TableInfo) -> list[int]:
        """The image's labels; one where the task is single-label."""
        return [self.label] if info.task == "single" else self.label  # type: ignore[list-item,return-value]

    def check_label(self, info: TableInfo) -> None:
        """ValueError for a label outside the classes."""
        labels = self.labels(info)
        wrong = [label for label in labels if not 0 <= label < len(info.classes)]
        if wrong:
            raise ValueError(
                f"data set {info.dataset!r}, image {self.image_id!r}: label {wrong[0]}, "
                f"expected 0 to {len(info.classes) - 1}"
            )


def check_split(split: str) -> str:
    """The split; ValueError where there is none of that name."""
    return _check_name("split", split, SPLITS)


def _check_name(kind: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        expected = " or ".join(map(repr, known))
        raise ValueError(f"{kind} {value!r}{nearest(value, known)}: expected {expected}")
    return value
