"""Small data sets in the layouts of the original files, with names that are not easy."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tokred.data.image_table import ImageTable
from tokred.data.prepare import prepare

#: An image as Hugging Face data sets store it.
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
#: Options of the small copy of COCO.
FEW_COCO = {"num_train": 4, "num_test": 4, "num_classes": 3}
WNIDS = ("n01440764", "n01443537", "n02123045")


def jpeg(seed: int, size: tuple[int, int] = (20, 16)) -> bytes:
    """A real JPEG whose pixels tell which one it is."""
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG")
    return buffer.getvalue()


def save(path: Path, data: bytes) -> Path:
    """Write a file and the folders that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def table_of(
    adapter: str, root: Path, split: str = "train", threads: int = 2, **options: object
) -> ImageTable:
    """The table that an adapter makes of a folder, beside the folder."""
    output = root.parent / "out" / f"{split}.parquet"
    prepare(adapter, "mine", split, {"root": str(root), **options}, str(output), threads)
    return ImageTable(output)


def stored_bytes(table: ImageTable, root: Path) -> list[bytes]:
    """The encoded images, wherever they are; references must lie below `root` and be absolute."""
    images = []
    for image in pq.read_table(table.path)["image"].to_pylist():
        if image["bytes"] is None:
            assert Path(image["path"]).is_absolute()
            assert Path(image["path"]).is_relative_to(root)
            images.append(Path(image["path"]).read_bytes())
        else:
            images.append(image["bytes"])
    return images


def class_folders(folder: Path, classes: Mapping[str, Sequence[str]], seed: int = 0) -> dict[str, bytes]:
    """A folder a class with the named images; their bytes by "class/name", in sorted order."""
    made = {}
    for name in sorted(classes):
        for file in sorted(classes[name]):
            made[f"{name}/{file}"] = jpeg(seed + len(made))
            save(folder / name / file, made[f"{name}/{file}"])
    return made


def imagenet_images(per_class: int = 3) -> dict[str, dict[str, bytes]]:
    """Training images by class and name."""
    return {
        wnid: {f"{wnid}_{i}.JPEG": jpeg(100 * label + i) for i in range(per_class)}
        for label, wnid in enumerate(WNIDS)
    }


def imagenet_val(count: int = 6) -> list[tuple[str, str, bytes]]:
    """Name, class and bytes of validation images, in their order."""
    return [(f"ILSVRC2012_val_{i + 1:08d}.JPEG", WNIDS[(i * 2) % 3], jpeg(900 + i)) for i in range(count)]


def imagenet_folders(root: Path) -> Path:
    for wnid, images in imagenet_images().items():
        for name, data in images.items():
            save(root / "train" / wnid / name, data)
    for name, wnid, data in imagenet_val():
        save(root / "val" / wnid / name, data)
    return root


def tar(files: Mapping[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def meta_mat() -> bytes:
    """data/meta.mat of the development kit: the classes by number, and an inner node of WordNet."""
    from scipy.io import savemat

    fields = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
    numbers = {"n02123045": 1, "n01440764": 2, "n01443537": 3}
    synsets = [(number, wnid, f"words of {wnid}", 0) for wnid, number in numbers.items()]
    synsets.append((4, "n00001740", "entity", 2))
    buffer = io.BytesIO()
    savemat(buffer, {"synsets": np.array(synsets, dtype=fields).reshape(-1, 1)})
    return buffer.getvalue()


def imagenet_archives(root: Path, truth: Sequence[int] | None = None) -> Path:
    inner = {f"{wnid}.tar": tar(images) for wnid, images in imagenet_images().items()}
    save(root / "ILSVRC2012_img_train.tar", tar(inner))
    val = imagenet_val()
    save(root / "ILSVRC2012_img_val.tar", tar({name: data for name, _, data in val}))
    numbers = {"n02123045": 1, "n01440764": 2, "n01443537": 3}
    truth = truth or [numbers[wnid] for _, wnid, _ in val]
    devkit = {
        "ILSVRC2012_devkit_t12/readme.txt": b"read me",
        "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt": "".join(
            f"{number}\n" for number in truth
        ).encode(),
        "ILSVRC2012_devkit_t12/data/meta.mat": meta_mat(),
    }
    save(root / "ILSVRC2012_devkit_t12.tar.gz", tar(devkit, "w:gz"))
    return root


#: Image id, path, class id, whether it is for training.
BIRDS = (
    ("0000139e-21dc", "0817/0000139e21dc.jpg", "817", "0"),
    ("0000d9fc-4e02", "0860/0000 d9fc.jpg", "860", "0"),
    ("00019306-9d83", "0095/größer.jpg", "95", "1"),
    ("0001afd4-99a1", "0817/0001afd499a1.jpg", "817", "1"),
    ("000332b8-997c", "0860/000332b8997c.jpg", "860", "1"),
    ("000343bd-5215", "0095/000343bd5215.jpg", "95", "0"),
    ("0008512d-65ca", "0095/0008512d65ca.jpg", "95", "1"),
)
BIRD_NAMES = {"0": "Birds", "95": "Wood Duck", "817": "Oak Titmouse (Adult male)", "860": "Wood Duck"}


def nabirds(root: Path) -> Path:
    for index, (_, path, _, _) in enumerate(BIRDS):
        save(root / "images" / path, jpeg(index))
    columns = {"images.txt": 1, "image_class_labels.txt": 2, "train_test_split.txt": 3}
    for name, column in columns.items():
        (root / name).write_text("".join(f"{bird[0]} {bird[column]}\n" for bird in BIRDS), encoding="utf-8")
    (root / "classes.txt").write_text(
        "".join(f"{key} {name}\n" for key, name in BIRD_NAMES.items()), encoding="utf-8"
    )
    (root / "hierarchy.txt").write_text("95 0\n817 0\n860 0\n")
    return root


def coco_annotations(year: str) -> dict[str, list[dict]]:
    """Five images, one of them without annotations; categories that are not in the order of their ids."""
    images = [{"id": 7 * i + 1, "file_name": f"COCO_{year}_{7 * i + 1:012d}.jpg"} for i in range(5)]
    outline = [[1.0, 2.0, 3.0, 4.0]]
    pairs = [(1, 90, 0), (1, 1, 0), (1, 90, 0), (8, 17, 0), (15, 1, 1), (29, 17, 0), (29, 90, 1)]
    annotations = [
        {"id": n, "image_id": image, "category_id": category, "iscrowd": crowd, "segmentation": outline}
        for n, (image, category, crowd) in enumerate(pairs)
    ]
    names = {90: "toothbrush", 1: "person", 17: "cat"}
    categories = [{"id": key, "name": name, "supercategory": "thing"} for key, name in names.items()]
    return {"info": {}, "images": images, "annotations": annotations, "categories": categories}


def coco(root: Path) -> Path:
    for year in ("train2014", "val2014"):
        stored = coco_annotations(year)
        for image in stored["images"]:
            save(root / year / image["file_name"], jpeg(image["id"] + len(year)))
        save(root / f"annotations/instances_{year}.json", json.dumps(stored).encode())
    return root


#: File, labels as they stand in the file, split.
NUS = (
    ("images/0001 a.jpg", "['sky', 'clouds']", "train"),
    ("images/0002_größe.jpg", '["dog\'s life"]', "val"),
    ("images/0003.jpg", "['clouds']", "train"),
    ("images/0004.jpg", "[]", "train"),
    ("images/0005.jpg", "['animal', 'sky', 'sky']", "val"),
)


def nuswide(root: Path, lines: Sequence[Sequence[str]] = NUS) -> Path:
    for index, (path, _, _) in enumerate(lines):
        save(root / path, jpeg(index))
    with (root / "nus_wid_data.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["filepath", "label", "split_name"])
        writer.writerows(lines)
    return root


def shard(path: Path, first: int, labels: list[Any], feature: Any = None, **columns: pa.Array) -> None:
    """A shard with images of consecutive numbers, in several row groups."""
    images = [{"bytes": jpeg(first + i), "path": f"{first + i}.jpg"} for i in range(len(labels))]
    values = {
        "image": pa.array(images, IMAGE),
        "label": pa.array(labels),
        "extra": pa.array(range(len(labels))),
    }
    table = pa.table({**values, **columns})
    if feature is not None:
        features = {"image": {"_type": "Image"}, "label": feature}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=2)
