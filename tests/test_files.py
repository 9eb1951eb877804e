"""Files are complete or absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tokred.files import atomic_path


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


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "file.txt"):
        pass
    assert list(tmp_path.iterdir()) == []
