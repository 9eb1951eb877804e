"""Which images were found readable, on disk, so that an interrupted job does not look at them again."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType


class Ledger:
    """A file with a line an image, in the order of the rows: its id, and a stamp of what was looked at.

    The stamp is null where the image could not be read. The next job asks for the images in the same order
    and reads along: in bounded memory, and no line is trusted once another image comes than was expected.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self._file = path.open("r+b")
        self._replaying = True

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def recall(self, image_id: str) -> tuple[bool, str | None]:
        """Whether the ledger has a line of the next image, and the line's stamp."""
        if not self._replaying:
            return False, None
        place = self._file.tell()
        line = self._file.readline()
        entry = _parse(line)
        if entry is not None and entry[0] == image_id:
            return True, entry[1]
        self._file.seek(place)
        self._file.truncate()
        self._replaying = False
        return False, None

    def note(self, image_id: str, stamp: str | None) -> None:
        """Add a line of an image that `recall` did not know, in the order of those calls."""
        self._file.write(json.dumps([image_id, stamp]).encode() + b"\n")


def _parse(line: bytes) -> tuple[str, str | None] | None:
    """Id and stamp; None for the end of the file, or for a line that was cut off."""
    if not line.endswith(b"\n"):
        return None
    try:
        image_id, stamp = json.loads(line)
    except (ValueError, TypeError):
        return None
    return image_id, stamp
