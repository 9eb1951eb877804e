"""One small file of each kind that tokred writes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pyarrow as pa

from tests.small_models import small_vit
from tokred.data.info import Row, TableInfo
from tokred.data.writing import write
from tokred.models.weights import save_weights
from tokred.run import Run
from tokred.tables import batch_writer, parquet, patterns, schemas

RUN = Run("shapes", "tiny", "topk", "0.50", 3)
FACTS = {"run": asdict(RUN), "locations": [1], "grid": [1, 2], "depth": 2}
SETTING = {"lr": 0.1, "lr_normalizer": 1, "warmup_epochs": 0}
SETTING |= {"backbone_lr_scale": 1, "backbone_freeze_epochs": 0}


def identities(count: int) -> dict[str, pa.Array]:
    columns = {name: pa.array([value] * count) for name, value in asdict(RUN).items()}
    return columns | {"image_id": pa.array([f"i{n}" for n in range(count)])}


def make_patterns(path: Path) -> None:
    schema = patterns.pattern_schema(2, 1, kept=True, clusters=False, margin=False)
    survived = pa.FixedSizeListArray.from_arrays(pa.array([1, 0] * 9, pa.uint8()), 2)
    with batch_writer.open_writer(path, schema, FACTS) as writer:
        writer.add({**identities(9), "survived": survived})


def make_lists(path: Path, kind: str, name: str) -> None:
    fields = [*schemas.identity_fields(), ("image_id", pa.string()), (name, pa.list_(pa.float32(), 2))]
    values = pa.FixedSizeListArray.from_arrays(pa.array(range(18), pa.float32()), 2)
    with batch_writer.open_writer(path, pa.schema(fields, metadata=parquet.kind(kind)), FACTS) as writer:
        writer.add({**identities(9), name: values})


def make_scores(path: Path) -> None:
    row = {"metric": "top1", "score": 50.0, "std_error": 1.0, "loss": 1.0, "n": 9}
    schemas.write_rows(path, [{**asdict(RUN), **row}], schemas.SCORES, FACTS)


def make_history(path: Path) -> None:
    row = {"epoch": 1, "lr": 0.1, "train_loss": 1.0, "extra_loss": 0.0, "seconds": 1.0}
    row |= {"val_score": 50.0, "val_score_ema": 40.0}
    schemas.write_rows(path, [{**asdict(RUN), **row}], schemas.HISTORY, {**FACTS, "training": SETTING})


def make_pictures(path: Path) -> None:
    row = {"dataset": "shapes", "place": 0, "image_id": "i0", "label": "disc", "image": b"PNG"}
    schemas.write_rows(path, [row], schemas.PICTURES)


def make_images(path: Path) -> None:
    rows = [Row(f"i{n}", bytes(range(200)), "i.png", n % 2) for n in range(9)]
    write(path, TableInfo("shapes", "test", "single", ("disc", "star")), rows)


def make_weights(path: Path) -> None:
    save_weights(small_vit(), path, {"run": asdict(RUN)})
