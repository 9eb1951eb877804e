"""From rows of a user's files to rows of a table: counted, readable, referred to or packed."""

from __future__ import annotations

import hashlib
import logging
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from tokred.data.decoding import decode
from tokred.data.info import Row, TableInfo
from tokred.data.journal import Ledger
from tokred.data.masks import encoded_mask
from tokred.data.options import FileOptions
from tokred.data.source import Census, Source
from tokred.data.text import is_utf8, printable

log = logging.getLogger(__name__)
#: Images that are under way at a time, for each thread: a few, since they may be large.
_AHEAD = 4
_SHOWN = 10


@dataclass(frozen=True)
class Looked:
    """What came of looking at an image.

    Attributes:
        row: the image's row.
        stamp: of what was there; None where it cannot be read.
        error: what is wrong with it; None: nothing.
        size: (width, height) where it was decoded.
    """

    row: Row
    stamp: str | None
    error: str | None
    size: tuple[int, int] | None = None


def accepted(
    source: Source,
    info: TableInfo,
    options: FileOptions,
    output: Path,
    threads: int,
    size: int | None = None,
) -> Iterator[Row]:
    """The rows that go into the table, in the source's order and in bounded memory.

    Images that cannot be read are left out, and listed in `<output>.unreadable.txt`.

    Args:
        size: height and width that every image must have, as far as images are decoded; None: any.

    Raises:
        ValueError: not the images that there must be, an image of another size, more unreadable ones than
            `max_unreadable`, or a mask that cannot be read or is of another size than its image.
    """
    census, unreadable = Census(info), []
    state, listing = output.with_suffix(".state.jsonl"), output.with_suffix(".unreadable.txt")
    with Ledger(state) as ledger:
        for looked in _look_at_all(census.counting(source), options, ledger, threads):
            if size is not None and looked.size not in (None, (size, size)):
                width, height = looked.size
                raise ValueError(
                    f"data set {info.dataset!r}: {looked.row.path} is of {height} x {width} pixels, "
                    f"expected {size} x {size} for `images: {{source: memory}}`; 'stream' resizes images"
                )
            if looked.error is None:
                yield looked.row
                continue
            unreadable.append(f"{printable(looked.row.path)}\t{looked.error}")
            log.warning("unreadable: %s: %s", printable(looked.row.path), looked.error)
            check_unreadable(unreadable, info, options)
    census.check(source)
    listing.unlink(missing_ok=True)
    if unreadable:
        listing.write_text("".join(f"{line}\n" for line in unreadable), encoding="utf-8")


def name_error(row: Row) -> str | None:
    """Why a table cannot name an image; None where it can."""
    if is_utf8(row.path) and is_utf8(row.image_id):
        return None
    return "its name is not UTF-8; rename the file"


def check_unreadable(unreadable: list[str], info: TableInfo, options: FileOptions) -> None:
    """ValueError for more unreadable images than there may be.

    Args:
        unreadable: path and error of each, separated by a tab.
    """
    if len(unreadable) <= options.max_unreadable:
        return
    shown = "".join("\n  " + line.replace("\t", ": ") for line in unreadable[-_SHOWN:])
    raise ValueError(
        f"data set {info.dataset!r} in {options.root}: {len(unreadable)} images of split {info.split!r} "
        f"cannot be read, expected at most {options.max_unreadable} (option max_unreadable):{shown}"
    )


def _look_at_all(rows: Iterable[Row], options: FileOptions, ledger: Ledger, threads: int) -> Iterator[Looked]:
    """Look at the rows in several threads (Pillow decodes in parallel); results are in the rows' order."""
    pending: deque[tuple[bool, Future[Looked]]] = deque()

    def oldest() -> Looked:
        recalled, future = pending.popleft()
        looked = future.result()
        if not recalled:
            ledger.note(looked.row.image_id, looked.stamp)
        return looked

    with ThreadPoolExecutor(threads) as pool:
        for row in rows:
            recalled, stamp = ledger.recall(row.image_id)
            pending.append((recalled, pool.submit(_look_at, row, options, stamp)))
            if len(pending) >= _AHEAD * threads:
                yield oldest()
        while pending:
            yield oldest()


def _look_at(row: Row, options: FileOptions, known: str | None) -> Looked:
    """Read an image; decode it unless it still has the stamp with which it was decoded before.

    An image with a mask is decoded in any case: the two must be of one size.

    Raises:
        ValueError: a mask that cannot be read or is of another size than its image.
    """
    data, wrong_name, size = row.data, name_error(row), None
    if wrong_name is not None:
        return Looked(replace(row, data=None), None, wrong_name)
    try:
        stamp = f"{options.verify}:{_stamp(row)}"
        if options.store == "pack" and data is None:
            data = Path(row.path).read_bytes()
        if (options.verify == "decode" and stamp != known) or row.mask is not None:
            size = decode(row.path if data is None else data).size
    except (OSError, ValueError) as error:
        return Looked(replace(row, data=None), None, str(error))
    mask = None if row.mask is None else encoded_mask(row.mask, row.path, size)
    path = row.path if data is None else Path(row.path).name
    return Looked(replace(row, data=data, path=path, mask=mask), stamp, None, size)


def _stamp(row: Row) -> str:
    """What changes when the image does. Raises OSError or ValueError where there is none."""
    if row.data is not None:
        if not row.data:
            raise ValueError("is empty")
        return hashlib.blake2b(row.data, digest_size=16).hexdigest()
    facts = Path(row.path).stat()
    if not stat.S_ISREG(facts.st_mode) or not facts.st_size:
        raise ValueError("is empty, or no file")
    return f"{facts.st_size}:{facts.st_mtime_ns}"
