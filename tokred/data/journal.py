"""The verification journal: an append-only log of checked images, from which an interrupted job continues."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType


class VerificationJournal:
    """A file with one line per image, in the order of the rows: its id, and a stamp of its file or bytes.

    The stamp is null if the image is unreadable. The next job replays the journal in bounded memory, as
    images come in the same order. It discards the rest of the journal at the first image that differs from
    its line.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self._file = path.open("r+b")
        self._replaying = True

    def __enter__(self) -> VerificationJournal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def replay(self, image_id: str) -> tuple[bool, str | None]:
        """Whether the journal has an entry of the next image, and the entry's stamp."""
        if not self._replaying:
            return False, None
        offset = self._file.tell()
        line = self._file.readline()
        entry = _parse(line)
        if entry is not None and entry[0] == image_id:
            return True, entry[1]
        self._file.seek(offset)
        self._file.truncate()
        self._replaying = False
        return False, None

    def append(self, image_id: str, stamp: str | None) -> None:
        """Add an entry of an image for which `replay` had none, in the order of these calls."""
        self._file.write(json.dumps([image_id, stamp]).encode() + b"\n")


def _parse(line: bytes) -> tuple[str, str | None] | None:
    """Id and stamp; None at the end of the file, or for a truncated line."""
    if not line.endswith(b"\n"):
        return None
    try:
        image_id, stamp = json.loads(line)
    except (ValueError, TypeError):
        return None
    return image_id, stamp
