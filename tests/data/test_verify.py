"""Unreadable images, interrupted jobs, progress, and memory."""

from __future__ import annotations

import os
import socket
import subprocess
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from tests.data import trees
from tests.data.trees import save, stored_bytes, table_of
from tokred.data import verify, writing
from tokred.data.decoding import decode
from tokred.data.info import Row
from tokred.data.prepare import prepare

FILES = {"cat": [f"{i} é.jpg" for i in range(30)], "dog": [f"{i:03}.jpg" for i in range(30)]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Sixty images, in the order of their bytes' seeds."""
    trees.class_folders(tmp_path / "data/train", FILES)
    return tmp_path / "data"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What has been decoded, while a table was prepared."""
    seen: list[object] = []

    def spy(source: bytes | str) -> object:
        seen.append(source)
        return decode(source)

    monkeypatch.setattr(verify, "decode", spy)
    return seen


def truncate(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-200])
    return path


def leftovers(root: Path) -> list[str]:
    return sorted(path.name for path in (root.parent / "out").iterdir())


@pytest.mark.parametrize("store", ["reference", "pack"])
@pytest.mark.parametrize("threads", [1, 3])
def test_truncated_image_stops_with_its_path(root: Path, store: str, threads: int) -> None:
    path = truncate(root / "train/dog/007.jpg")
    with pytest.raises(
        ValueError, match=r"'mine' in .*data: 1 images of split 'train' cannot be read"
    ) as error:
        table_of("image_folder", root, store=store, threads=threads)
    assert f"\n  {path}: cannot be decoded: " in str(error.value)
    assert "train.parquet" not in leftovers(root)


@pytest.mark.parametrize("store", ["reference", "pack"])
def test_a_study_may_allow_some(root: Path, store: str) -> None:
    broken = [truncate(root / "train/cat/3 é.jpg"), root / "train/dog/001.jpg", root / "train/dog/029.jpg"]
    save(broken[1], b"GIF89a, but nothing else")
    save(broken[2], b"")
    with pytest.raises(ValueError, match="3 images of split 'train' cannot be read, expected at most 2"):
        table_of("image_folder", root, store=store, max_unreadable=2)
    table = table_of("image_folder", root, store=store, max_unreadable=3, num_train=60)
    names = [path.relative_to(root / "train").as_posix() for path in broken]
    assert len(table) == 57
    assert not set(names) & set(table.image_ids)
    for index in range(57):
        table.image(index)
    listed = (root.parent / "out/train.unreadable.txt").read_text().splitlines()
    assert [line.partition("\t")[0] for line in listed] == [str(path) for path in broken]
    assert all(len(line.partition("\t")[2]) > 5 for line in listed)
    assert leftovers(root) == ["train.parquet", "train.unreadable.txt"]
    for path in broken:
        save(path, trees.jpeg(1))
    assert len(table_of("image_folder", root, store=store)) == 60
    assert leftovers(root) == ["train.parquet"]


def test_existence_is_less_than_decoding(root: Path, decoded: list[object]) -> None:
    truncate(root / "train/dog/007.jpg")
    assert len(table_of("image_folder", root, verify="exists")) == 60
    assert decoded == []
    save(root / "train/dog/007.jpg", b"")
    with pytest.raises(ValueError, match=r"007\.jpg: is empty, or no file"):
        table_of("image_folder", root, verify="exists")
    (root / "train/dog/007.jpg").unlink()
    (root / "train/dog/007.jpg").symlink_to("absent.jpg")
    with pytest.raises(ValueError, match=r"007\.jpg: .*No such file"):
        table_of("image_folder", root, verify="exists")


class Interrupted(BaseException):
    """Stands for a signal."""


def interrupt(monkeypatch: pytest.MonkeyPatch, root: Path, after: int, **options: object) -> None:
    """Prepare a table that is cut off after so many verified rows."""
    verified_rows = verify.verified_rows

    def cut_off(*given: object) -> Iterator[Row]:
        for index, row in enumerate(verified_rows(*given)):
            if index == after:
                raise Interrupted
            yield row

    with monkeypatch.context() as patch:
        patch.setattr("tokred.data.prepare.verified_rows", cut_off)
        with pytest.raises(Interrupted):
            table_of("image_folder", root, **options)
    assert leftovers(root) == ["train.state.jsonl"]


@pytest.mark.parametrize("store", ["reference", "pack"])
def test_interrupted_job_goes_on_where_it_was(
    root: Path, store: str, decoded: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = stored_bytes(table_of("image_folder", root, store=store), root)
    bytes_before = (root.parent / "out/train.parquet").read_bytes()
    (root.parent / "out/train.parquet").unlink()
    decoded.clear()
    interrupt(monkeypatch, root, 25, store=store)
    assert 25 < len(decoded) < 60
    decoded.clear()
    interrupt(monkeypatch, root, 40, store=store)  # and again
    assert len(decoded) < 30
    decoded.clear()
    table = table_of("image_folder", root, store=store)
    assert 10 <= len(decoded) <= 20
    assert stored_bytes(table, root) == expected == [trees.jpeg(i) for i in range(60)]
    assert (root.parent / "out/train.parquet").read_bytes() == bytes_before
    assert leftovers(root) == ["train.parquet"]


def left_by_killed(name: str) -> str:
    """The partial file of a process that has ended."""
    with subprocess.Popen(["true"]) as ended:
        return f".{name}.{socket.gethostname()}.{ended.pid}.part"


def test_partial_tables_of_killed_jobs_are_removed(root: Path) -> None:
    mine, others = left_by_killed("train.parquet"), [left_by_killed("test.parquet")]
    others.append(left_by_killed("training.parquet"))
    for name in (mine, *others):
        save(root.parent / "out" / name, b"PAR1")
    table_of("image_folder", root)
    assert leftovers(root) == [*others, "train.parquet"]


def test_what_changed_meanwhile_is_looked_at_again(
    root: Path, decoded: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(monkeypatch, root, 50)
    truncate(root / "train/cat/3 é.jpg")
    with pytest.raises(ValueError, match=r"3 é\.jpg: cannot be decoded"):
        table_of("image_folder", root)
    decoded.clear()
    save(root / "train/cat/3 é.jpg", trees.jpeg(77))
    assert len(table_of("image_folder", root)) == 60
    assert str(root / "train/cat/3 é.jpg") in decoded
    assert len(decoded) <= 11


def test_unreadable_images_do_not_end_what_is_known(
    root: Path, decoded: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = [str(truncate(root / "train/cat" / name)) for name in ("0 é.jpg", "12 é.jpg")]
    interrupt(monkeypatch, root, 48, max_unreadable=2)
    decoded.clear()
    assert len(table_of("image_folder", root, max_unreadable=2)) == 58
    assert set(broken) < set(decoded)  # once more: they may have been repaired
    assert len(decoded) <= 2 + 10


def test_other_files_than_before(root: Path, decoded: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt(monkeypatch, root, 50)
    save(root / "train/cat/29 é, once more.jpg", trees.jpeg(78))  # after 23 others
    decoded.clear()
    assert len(table_of("image_folder", root)) == 61
    assert len(decoded) == 61 - sorted(FILES["cat"] + ["29 é, once more.jpg"]).index("29 é, once more.jpg")


@pytest.mark.parametrize("tail", [b'["cat/1', b"\xff\xfe\n", b"{}\n", b"5\n"])
def test_damaged_list_of_what_was_seen(
    root: Path, decoded: list[object], monkeypatch: pytest.MonkeyPatch, tail: bytes
) -> None:
    interrupt(monkeypatch, root, 50)
    state = root.parent / "out/train.state.jsonl"
    lines = state.read_bytes().splitlines(keepends=True)
    state.write_bytes(b"".join(lines[:10]) + tail + b"".join(lines[10:]))
    decoded.clear()
    assert len(table_of("image_folder", root)) == 60
    assert len(decoded) == 50


def test_existing_is_not_taken_for_decoded(
    root: Path, decoded: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(monkeypatch, root, 50, verify="exists")
    table_of("image_folder", root, verify="decode")
    assert len(decoded) == 60


def test_wrong_numbers_are_found_before_anything_is_decoded(root: Path, decoded: list[object]) -> None:
    with pytest.raises(ValueError, match="60 images, expected 61"):
        table_of("image_folder", root, num_train=61)
    assert decoded == []


def peak_of(root: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Most memory in use (Python's, and Arrow's at each row group) while so many references are written."""
    image, folder = save(root / "one.jpg", trees.jpeg(0)), root / f"{count}"
    for number in range(count):
        path = folder / "train" / f"class {number % 40:02}" / f"{number:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(image, path)
    arrow = 0
    columns = writing._columns

    def watched(*given: object) -> dict[str, pa.Array]:
        nonlocal arrow
        made = columns(*given)
        arrow = max(arrow, pa.total_allocated_bytes())
        return made

    monkeypatch.setattr(writing, "_columns", watched)
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    options = {"root": str(folder), "verify": "exists"}
    prepare("image_folder", "many", "train", options, str(root / f"out/{count}.parquet"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    monkeypatch.undo()
    return peak + arrow - before


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peak_of(tmp_path, 100, monkeypatch)  # fills caches
    small, large = peak_of(tmp_path, 2_000, monkeypatch), peak_of(tmp_path, 22_000, monkeypatch)
    # 20,000 more rows take some 10 MB as Python objects, and 2 MB as Arrow columns.
    assert large - small < 1_000_000
