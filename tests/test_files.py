"""Files are complete or absent."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tokred.files import atomic_path, visible_files


def test_appears_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "table.parquet"
    with atomic_path(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary != path
        assert temporary.name.startswith(".table.parquet.")
        assert temporary.suffix == ".part"
        temporary.write_text("all of it")
        assert not path.exists()
    assert [file.name for file in path.parent.iterdir()] == ["table.parquet"]
    assert path.read_text() == "all of it"


def test_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with atomic_path(str(path)) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_when_the_block_raises(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half of")
            raise error

    with pytest.raises(error):
        fail()
    assert [file.name for file in tmp_path.iterdir()] == ["file.txt"]
    assert path.read_text() == "old"


def test_a_killed_process_leaves_nothing_that_is_read(tmp_path: Path) -> None:
    """Its partial file is hidden, and goes when the same file is written again; those of others stay."""
    path = tmp_path / "study" / "0.parquet"
    code = (
        "import os, signal, sys; from tokred.files import atomic_path\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half of'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    for name in ("0.parquet", "1.parquet"):
        killed = subprocess.run([sys.executable, "-c", code, str(path.with_name(name))], check=False)
        assert killed.returncode == -signal.SIGKILL
    mine, other = sorted(path.parent.iterdir())
    assert mine.name.startswith(".0.parquet.")
    assert other.name.startswith(".1.parquet.")
    assert list(visible_files(tmp_path, ".parquet")) == list(path.parent.rglob("*.parquet")) == []
    alive = path.with_name(f".0.parquet.{socket.gethostname()}.{os.getppid()}.part")
    elsewhere = path.with_name(".0.parquet.elsewhere.1.part")
    forgotten = path.with_name(".0.parquet.elsewhere.2.part")
    for part in (alive, elsewhere, forgotten):
        part.write_text("half of")
    os.utime(forgotten, (0, 0))
    with atomic_path(path) as temporary:
        temporary.write_text("all of it")
    assert sorted(path.parent.iterdir()) == sorted([other, alive, elsewhere, path])


def test_files_are_on_the_disk_before_they_get_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed, flush = [], os.fsync

    def note(descriptor: int) -> None:
        flush(descriptor)
        flushed.append((os.readlink(f"/proc/self/fd/{descriptor}"), (tmp_path / "file.txt").exists()))

    monkeypatch.setattr(os, "fsync", note)
    with atomic_path(tmp_path / "file.txt") as temporary:
        temporary.write_text("all of it")
    assert flushed == [(str(temporary), False), (str(tmp_path), True)]


def test_visible_files_follow_links(tmp_path: Path) -> None:
    for name in ("b/1.txt", "a/2.txt", "a/.3.txt", ".hidden/4.txt", "a/5.csv", "disk/6.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a/link").symlink_to(tmp_path / "disk")
    found = [str(path.relative_to(tmp_path)) for path in visible_files(tmp_path, ".txt")]
    assert found == ["a/2.txt", "a/link/6.txt", "b/1.txt", "disk/6.txt"]
    (tmp_path / "disk/loop").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="loop: expected a folder of files, found a link to a folder above"):
        list(visible_files(tmp_path, ".txt"))


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "file.txt"):
        pass
    assert list(tmp_path.iterdir()) == []
