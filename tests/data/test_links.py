"""Links, loops and unreadable folders: never fewer or doubled images without an error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data import trees
from tests.data.trees import shard, table_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    trees.class_folders(tmp_path / "pets/train", {"cat": ["1.jpg", "2.jpg"], "dog": ["3.jpg"]})
    return tmp_path / "pets"


def test_folders_and_images_may_be_links(root: Path, tmp_path: Path) -> None:
    trees.class_folders(tmp_path / "more", {"owl": ["1.jpg"], "kittens": ["9.jpg"]})
    (root / "train/owl").symlink_to(tmp_path / "more/owl")
    (root / "train/cat/young").symlink_to(tmp_path / "more/kittens")
    (root / "train/dog/4.jpg").symlink_to(tmp_path / "more/owl/1.jpg")
    table = table_of("image_folder", root)
    ids = ["cat/1.jpg", "cat/2.jpg", "cat/young/9.jpg", "dog/3.jpg", "dog/4.jpg", "owl/1.jpg"]
    assert table.image_ids.tolist() == ids
    assert table.labels.tolist() == [0, 0, 0, 1, 1, 2]


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("cat/again", "cat"),  # a loop
        ("cat/up", "."),  # a loop by way of the split's folder
        ("kitty", "cat"),  # one folder as two classes
        ("dog/cats", "cat"),  # one folder in two classes
    ],
)
def test_a_folder_is_not_read_twice(root: Path, link: str, target: str) -> None:
    (root / "train" / link).symlink_to(root / "train" / target)
    with pytest.raises(ValueError, match=r"train/.*: a link to .*/train.*, which would be read twice"):
        table_of("image_folder", root)


@pytest.mark.parametrize("link", ["owl", "cat/more"])
def test_a_link_to_nothing(root: Path, link: str) -> None:
    (root / "train" / link).symlink_to("/nowhere/at all")
    with pytest.raises(ValueError, match=rf"train/{link}: a link to /nowhere/at all, which does not exist"):
        table_of("image_folder", root)


def test_hidden_folders_are_left_out(root: Path) -> None:
    trees.class_folders(root / "train/cat", {".ipynb_checkpoints": ["1.jpg"]})
    assert table_of("image_folder", root).image_ids.tolist() == ["cat/1.jpg", "cat/2.jpg", "dog/3.jpg"]


@pytest.mark.skipif(os.getuid() != 0, reason="gives up root's rights")
@pytest.mark.parametrize("folder", ["train/cat/inner", "train/cat", "train"])
def test_an_unreadable_folder_is_named(root: Path, folder: str) -> None:
    trees.class_folders(root / "train/cat", {"inner": ["1.jpg"]})
    (root / folder).chmod(0)
    for parent in [root, *list(root.parents)[:-2]]:
        parent.chmod(0o755)
    code = (
        "import os, sys; from pathlib import Path; from tokred.data import folders; os.setuid(65534); "
        "root = Path(sys.argv[1]); names = folders.class_names(root); "
        "print(list(folders.class_rows(root, names)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(root / "train")], capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 1, done.stdout
    assert f"Permission denied: '{root / folder}'" in done.stderr


def test_shards_below_a_link(tmp_path: Path) -> None:
    shard(tmp_path / "cache/train-00000-of-00001.parquet", 0, ["cat", "dog"])
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub/data").symlink_to(tmp_path / "cache")
    assert table_of("huggingface", tmp_path / "hub").labels.tolist() == [0, 1]


def test_a_name_that_is_not_utf8(root: Path) -> None:
    with open(os.fsencode(root / "train/dog") + b"/caf\xe9.jpg", "wb") as file:
        file.write(trees.jpeg(5))
    message = r"pets: 1 images of .* cannot be read, .*\n  .*/train/dog/caf\\xe9\.jpg: its name is not UTF-8"
    with pytest.raises(ValueError, match=message):
        table_of("image_folder", root)
    assert not (root.parent / "out/train.state.jsonl").exists()  # before any image was decoded
    table = table_of("image_folder", root, max_unreadable=1)
    assert table.image_ids.tolist() == ["cat/1.jpg", "cat/2.jpg", "dog/3.jpg"]
    listed = (root.parent / "out/train.unreadable.txt").read_text(encoding="utf-8")
    assert listed == f"{root}/train/dog/caf\\xe9.jpg\tits name is not UTF-8; rename the file\n"


def test_a_class_whose_name_is_not_utf8(root: Path) -> None:
    os.mkdir(os.fsencode(root / "train") + b"/caf\xe9")
    with pytest.raises(ValueError, match=r"train: the name of class 'caf\\\\xe9' is not UTF-8"):
        table_of("image_folder", root)


def test_a_root_whose_name_is_not_utf8(root: Path) -> None:
    renamed = root.with_name(os.fsdecode(b"caf\xe9"))
    root.rename(renamed)
    with pytest.raises(ValueError, match=r"root: expected text in UTF-8, found .*/caf\\udce9"):
        table_of("image_folder", renamed)
