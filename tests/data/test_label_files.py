"""Label files as other tools write them: read right, or refused with the name of the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.data import trees
from tests.data.trees import FEW_COCO, shard, table_of

ANNOTATIONS = "annotations/instances_train2014.json"
ANY = {"num_train": None, "num_test": None, "num_classes": None}
BIRD_FILES = ("images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt")


def rewritten(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def test_byte_order_marks(tmp_path: Path) -> None:
    birds, coco, nus = (
        trees.nabirds(tmp_path / "b"),
        trees.coco(tmp_path / "c"),
        trees.nuswide(tmp_path / "n"),
    )
    expected = [table_of("nabirds", birds, **ANY), table_of("coco", coco, **FEW_COCO)]
    expected.append(table_of("nuswide", nus, **ANY))
    for path in (*(birds / name for name in BIRD_FILES), coco / ANNOTATIONS, nus / "nus_wid_data.csv"):
        rewritten(path, lambda data: b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"))
    found = [table_of("nabirds", birds, **ANY), table_of("coco", coco, **FEW_COCO)]
    found.append(table_of("nuswide", nus, **ANY))
    for one, other in zip(expected, found, strict=True):
        assert one.info == other.info
        assert one.labels.tolist() == other.labels.tolist()
        assert one.image_ids.tolist() == other.image_ids.tolist()


def test_tabs_and_line_separators_in_nabirds(tmp_path: Path) -> None:
    birds = trees.nabirds(tmp_path / "b")
    rewritten(birds / "images.txt", lambda data: data.replace(b" ", b"\t", 1))
    rewritten(birds / "classes.txt", lambda data: data.replace(b"Wood Duck", "Wood\x85Duck".encode(), 1))
    assert table_of("nabirds", birds, **ANY).info.classes[0] == "Wood\x85Duck"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
@pytest.mark.parametrize(
    ("adapter", "tree", "file"),
    [
        *(("nabirds", trees.nabirds, name) for name in BIRD_FILES),
        ("coco", trees.coco, ANNOTATIONS),
        ("nuswide", trees.nuswide, "nus_wid_data.csv"),
    ],
)
def test_other_encodings(
    tmp_path: Path, adapter: str, tree: Callable[[Path], Path], file: str, encoding: str
) -> None:
    root = tree(tmp_path / "root")
    text = "é ".encode(encoding) + (root / file).read_bytes()
    (root / file).write_bytes(text)
    with pytest.raises(ValueError, match=rf"{file}, line 1: expected text in UTF-8, found byte 0x[ef][9f];"):
        table_of(adapter, root, **(FEW_COCO if adapter == "coco" else ANY))


def removed(key: str, field: str) -> Callable[[dict[str, Any]], None]:
    return lambda stored: stored[key][1].pop(field)


def changed(key: str, field: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda stored: stored[key][1].update({field: value})


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (removed("images", "id"), r"images\[1\]: expected an object with a whole number or text 'id'"),
        (removed("images", "file_name"), r"images\[1\]: expected an object with a text 'file_name', found"),
        (removed("annotations", "image_id"), r"annotations\[1\]: expected .* 'image_id'"),
        (removed("annotations", "category_id"), r"annotations\[1\]: expected .* 'category_id'"),
        (removed("categories", "id"), r"categories\[1\]: expected .* 'id'"),
        (removed("categories", "name"), r"categories\[1\]: expected an object with a text 'name'"),
        (changed("images", "id", [1]), r"images\[1\]: expected .* 'id'"),
        (changed("images", "file_name", None), r"images\[1\]: expected .* 'file_name'"),
        (changed("annotations", "category_id", None), r"annotations\[1\]: expected .* 'category_id'"),
        (
            changed("annotations", "category_id", "1"),
            r"annotation 1 has category_id '1', which does not",
        ),
        (changed("categories", "id", "1"), "expected category ids of one type, found int and str"),
        (changed("categories", "id", 90), "3 categories, but only 2 category ids"),
        (lambda x: x["images"].append("a.jpg"), r"images\[5\]: expected an object .*, found 'a\.jpg'"),
        (lambda x: x.update(images={}), "expected lists images, annotations, categories; images is missing"),
        (lambda x: x.clear(), "expected lists images, annotations, categories; images is missing"),
    ],
)
def test_annotations_of_coco(tmp_path: Path, edit: Callable[[dict[str, Any]], None], message: str) -> None:
    root = trees.coco(tmp_path / "c")
    stored = trees.coco_annotations("train2014")
    edit(stored)
    (root / ANNOTATIONS).write_text(json.dumps(stored), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"instances_train2014\.json: {message}"):
        table_of("coco", root, **FEW_COCO)


@pytest.mark.parametrize("text", ["", "[]", "[1, 2", "null", "[" * 100_000])
def test_other_json(tmp_path: Path, text: str) -> None:
    root = trees.coco(tmp_path / "c")
    (root / ANNOTATIONS).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"instances_train2014\.json: (not JSON|expected lists)"):
        table_of("coco", root, **FEW_COCO)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.jpg,\"['sky']\"", "line 2: expected a file and 'train' or 'val', found 'a.jpg' and None"),
        ("a.jpg,,train", "line 2: expected a list of names, found ''"),
        ("a.jpg,sky,train", "line 2: expected a list of names, found 'sky'"),
        ("a.jpg,{[]: 1},train", "line 2: expected a list of names"),
        ("a.jpg,\"[[['sky']]]\",train", "line 2: expected a list of names"),
        ("a.jpg," + "(" * 5000 + ",train", "line 2: expected a list of names"),
        ("x" * 200_000 + ",[],train", "line 1: not CSV: field larger"),
    ],
)
def test_lines_of_nuswide(tmp_path: Path, line: str, message: str) -> None:
    root = trees.nuswide(tmp_path / "n")
    (root / "nus_wid_data.csv").write_text(f"filepath,label,split_name\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=rf"nus_wid_data\.csv, {message}"):
        table_of("nuswide", root, **ANY)


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("images.txt", "abc", r"images\.txt, line 8: expected two words or more, found 'abc' only"),
        (
            "train_test_split.txt",
            None,
            r"train_test_split\.txt: image '.*': expected 1 \(training\)",
        ),
    ],
)
def test_lines_of_nabirds(tmp_path: Path, file: str, line: str | None, message: str) -> None:
    root = trees.nabirds(tmp_path / "b")
    if line is None:
        rewritten(root / file, lambda data: data.replace(b" 1\n", b" 2\n", 1))
    else:
        rewritten(root / file, lambda data: data + line.encode() + b"\n")
    with pytest.raises(ValueError, match=message):
        table_of("nabirds", root, **ANY)


@pytest.mark.parametrize("truth", [b"1\nx\n", b"\xff\xfe1\n"])
def test_ground_truth_of_imagenet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, truth: bytes) -> None:
    monkeypatch.setattr(trees, "tar", _tar_with("validation_ground_truth.txt", truth, trees.tar))
    root = trees.imagenet_archives(tmp_path / "i")
    with pytest.raises(ValueError, match=r"devkit_t12\.tar\.gz: .*ground_truth\.txt.*: expected"):
        table_of("imagenet", root, "test", store="pack", **{**ANY, "num_test": 6})


def test_metadata_of_imagenet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "meta_mat", lambda: b"no MATLAB file, though long enough to be looked at" * 9)
    root = trees.imagenet_archives(tmp_path / "i")
    with pytest.raises(ValueError, match=r"devkit_t12\.tar\.gz: expected an array 'synsets' with fields"):
        table_of("imagenet", root, "test", store="pack", **{**ANY, "num_test": 6})


def _tar_with(name: str, data: bytes, tar: Callable) -> Callable:
    def changed_tar(files: dict[str, bytes], mode: str = "w") -> bytes:
        return tar({key: data if key.endswith(name) else value for key, value in files.items()}, mode)

    return changed_tar


@pytest.mark.parametrize(
    "metadata", [b"{", b"[]", b'{"info": {}}', b'{"info": {"features": {"label": {"names": 3}}}}']
)
def test_metadata_of_shards(tmp_path: Path, metadata: bytes) -> None:
    path = tmp_path / "hf/train.parquet"
    shard(path, 0, [0, 1])
    pq.write_table(pq.read_table(path).replace_schema_metadata({"huggingface": metadata}), path)
    with pytest.raises(ValueError, match=r"train\.parquet: its metadata 'huggingface' do not describe"):
        table_of("huggingface", tmp_path / "hf")


def test_shards_that_are_no_parquet(tmp_path: Path) -> None:
    trees.save(tmp_path / "hf/train.parquet", b"no Parquet file")
    with pytest.raises(ValueError, match=r"train\.parquet: not a Parquet file"):
        table_of("huggingface", tmp_path / "hf")


@pytest.mark.parametrize("labels", [[0.5, 1.5], [{"a": 1}, {"a": 2}]])
def test_labels_of_other_types(tmp_path: Path, labels: list) -> None:
    shard(tmp_path / "hf/train.parquet", 0, labels, {"_type": "ClassLabel", "names": ["a", "b"]})
    with pytest.raises(ValueError, match=r"train\.parquet: column 'label': expected class numbers or names"):
        table_of("huggingface", tmp_path / "hf")
