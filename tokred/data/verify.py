"""Verification of a user's images: rows of their files become rows of a table, counted and readable."""

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
from tokred.data.journal import VerificationJournal
from tokred.data.masks import encoded_mask
from tokred.data.options import FileOptions
from tokred.data.source import LabelCounts, RowSource
from tokred.data.text import is_utf8, printable

log = logging.getLogger(__name__)
#: Images that are prefetched per thread: a few, since they may be large.
_PREFETCH = 4
_SHOWN = 10


@dataclass(frozen=True)
class Verification:
    """The result of verifying an image.

    Attributes:
        row: the image's row.
        stamp: changes if the image does, see `_stamp`; None if it is unreadable.
        error: why the image is unreadable; None if it is not.
        size: (width, height) if the image was decoded.
    """

    row: Row
    stamp: str | None
    error: str | None
    size: tuple[int, int] | None = None


def verified_rows(
    source: RowSource,
    info: TableInfo,
    options: FileOptions,
    output: Path,
    threads: int,
    size: int | None = None,
) -> Iterator[Row]:
    """Rows of the readable images, in the source's order, in bounded memory.

    Unreadable images are left out, and listed in `<output>.unreadable.txt`.

    Args:
        size: height and width that every image must have, checked if images are decoded; None accepts any.

    Raises:
        ValueError: an unexpected number of images, an image of another size, more than `max_unreadable`
            unreadable ones, or a mask that is unreadable or of another size than its image.
    """
    counts, unreadable = LabelCounts(info), []
    state, listing = output.with_suffix(".state.jsonl"), output.with_suffix(".unreadable.txt")
    with VerificationJournal(state) as journal:
        for result in _verify_all(counts.counted(source), options, journal, threads):
            if size is not None and result.size is not None and result.size != (size, size):
                width, height = result.size
                raise ValueError(
                    f"data set {info.dataset!r}: {result.row.path} is of {height} x {width} pixels, "
                    f"expected {size} x {size} for `images: {{source: memory}}`; 'stream' resizes images"
                )
            if result.error is None:
                yield result.row
                continue
            unreadable.append(f"{printable(result.row.path)}\t{result.error}")
            log.warning("unreadable: %s: %s", printable(result.row.path), result.error)
            check_unreadable(unreadable, info, options)
    counts.check(source)
    listing.unlink(missing_ok=True)
    if unreadable:
        listing.write_text("".join(f"{line}\n" for line in unreadable), encoding="utf-8")


def name_error(row: Row) -> str | None:
    """Why a table cannot store the name of an image; None if it can."""
    if is_utf8(row.path) and is_utf8(row.image_id):
        return None
    return "its name is not UTF-8; rename the file"


def check_unreadable(unreadable: list[str], info: TableInfo, options: FileOptions) -> None:
    """Raise ValueError for more unreadable images than `max_unreadable`.

    Args:
        unreadable: path and error of each image, separated by a tab.
    """
    if len(unreadable) <= options.max_unreadable:
        return
    shown = "".join("\n  " + line.replace("\t", ": ") for line in unreadable[-_SHOWN:])
    raise ValueError(
        f"data set {info.dataset!r} in {options.root}: {len(unreadable)} images of split {info.split!r} "
        f"cannot be read, expected at most {options.max_unreadable} (option max_unreadable):{shown}"
    )


def _verify_all(
    rows: Iterable[Row], options: FileOptions, journal: VerificationJournal, threads: int
) -> Iterator[Verification]:
    """Verify images in several threads (Pillow decodes in parallel); results are in the order of rows."""
    pending: deque[tuple[bool, Future[Verification]]] = deque()

    def oldest() -> Verification:
        replayed, future = pending.popleft()
        result = future.result()
        if not replayed:
            journal.append(result.row.image_id, result.stamp)
        return result

    with ThreadPoolExecutor(threads) as pool:
        for row in rows:
            replayed, stamp = journal.replay(row.image_id)
            pending.append((replayed, pool.submit(_verify, row, options, stamp)))
            if len(pending) >= _PREFETCH * threads:
                yield oldest()
        while pending:
            yield oldest()


def _verify(row: Row, options: FileOptions, previous: str | None) -> Verification:
    """Read an image, and decode it unless its stamp is still that of a previous verification.

    An image with a mask is always decoded, since sizes are compared.

    Raises:
        ValueError: a mask that is unreadable or of another size than its image.
    """
    data, wrong_name, size = row.data, name_error(row), None
    if wrong_name is not None:
        return Verification(replace(row, data=None), None, wrong_name)
    try:
        stamp = f"{options.verify}:{_stamp(row)}"
        if options.store == "pack" and data is None:
            data = Path(row.path).read_bytes()
        if (options.verify == "decode" and stamp != previous) or row.mask is not None:
            size = decode(row.path if data is None else data).size
    except (OSError, ValueError) as error:
        return Verification(replace(row, data=None), None, str(error))
    mask = row.mask
    if mask is not None:
        assert size is not None, "images with masks are decoded"
        mask = encoded_mask(mask, row.path, size)
    path = row.path if data is None else Path(row.path).name
    return Verification(replace(row, data=data, path=path, mask=mask), stamp, None, size)


def _stamp(row: Row) -> str:
    """A text that changes if the image does. Raises OSError or ValueError for a missing or empty file."""
    if row.data is not None:
        if not row.data:
            raise ValueError("is empty")
        return hashlib.blake2b(row.data, digest_size=16).hexdigest()
    facts = Path(row.path).stat()
    if not stat.S_ISREG(facts.st_mode) or not facts.st_size:
        raise ValueError("is empty, or no file")
    return f"{facts.st_size}:{facts.st_mtime_ns}"
