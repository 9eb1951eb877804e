"""Files that are complete or absent, even after a crash, and reading of text files."""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Seconds after which a partial file of another machine, whose processes are unknown here, is stale: the
#: longest time limit of a job on a cluster.
_LONGEST_JOB = 24 * 3600
#: Errors of `os.fsync` on file systems that cannot flush folders.
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES)


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary name in the same folder, renamed to `path` when the block ends without an error.

    The file and its folder are flushed to the disk, so that a power failure leaves the old file or the new
    one. The temporary name is hidden and ends in ".part", whatever the suffix of `path`, so that no reader
    takes it for a result. It is deleted when the block raises, and that of a killed process when the same
    file is written again.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_stale_parts(path)
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.part")
    try:
        yield temporary
        _flush(temporary)
        os.replace(temporary, path)
        _flush_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def remove_stale_parts(path: Path) -> None:
    """Delete partial files of `path` from killed processes."""
    start = f".{path.name}."
    if not path.parent.is_dir():
        return
    for part in path.parent.iterdir():
        if part.name.startswith(start) and part.name.endswith(".part") and _is_stale(part, start):
            part.unlink(missing_ok=True)


def visible_files(folder: Path, suffix: str) -> Iterator[Path]:
    """Files below a folder whose names end in `suffix`, sorted by path; links are followed.

    Hidden files and folders, such as partial files, are skipped.

    Raises:
        OSError: a folder cannot be read.
        ValueError: a folder links to one above it.
    """
    return _walk(folder, suffix, ())


def set_aside(path: Path) -> Path:
    """Rename a damaged file so that nothing reads it; returns its new name."""
    aside = path.with_name(f"{path.name}.damaged")
    os.replace(path, aside)
    return aside


def read_text(path: str | Path, expected: str) -> str:
    """A UTF-8 text file.

    Args:
        expected: the expected content in messages, such as "a JSON file of settings".

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file cannot be read, or is not UTF-8.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file; expected {expected}") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); expected {expected}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is not UTF-8 text ({error.reason}); expected {expected}") from error


def read_json(path: str | Path, expected: str) -> dict[str, object]:
    """A JSON object; errors as for `read_text`, and ValueError for anything else."""
    text = read_text(path, expected)
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path}: is not JSON ({error}); expected {expected}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path}: found a JSON {type(value).__name__}, expected {expected}")
    return value


def _is_stale(part: Path, start: str) -> bool:
    """Whether the process that wrote a partial file has ended."""
    host, _, process = part.name.removeprefix(start).removesuffix(".part").rpartition(".")
    if host == socket.gethostname() and process.isdecimal():
        return int(process) != os.getpid() and not _is_running(int(process))
    try:
        return time.time() - part.stat().st_mtime > _LONGEST_JOB
    except FileNotFoundError:
        return False


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # the process of another user
        return True
    return True


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    try:
        _flush(folder)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise


def _walk(folder: Path, suffix: str, above: tuple[str, ...]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in above:
        raise ValueError(f"{folder}: expected a folder of files, found a link to a folder above it, {real}")
    with os.scandir(folder) as iterator:
        entries = sorted((entry for entry in iterator if entry.name[0] != "."), key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.endswith(suffix):
            yield Path(entry.path)
        elif entry.is_dir():
            yield from _walk(Path(entry.path), suffix, (*above, real))
