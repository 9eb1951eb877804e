"""Published numbers.

Those of the paper are Tables 1 and 7 (`performance.csv`) and 2-6 (`hyperparameters.yaml`) of J. B. Haurum, S.
Escalera, G. W. Taylor, T. B. Moeslund, "Which Tokens to Use? Investigating Token Reduction in Vision
Transformers", 2023. `off_the_shelf.csv` has accuracies on ImageNet of methods in pretrained models without
training, from several sources (`SOURCES`).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tokred.run import UNREDUCED_RATE, canonical_rate

if TYPE_CHECKING:
    import pandas as pd

_FOLDER = Path(__file__).parent
#: Performance metric of each data set, as `schemas.SCORES` names it.
METRICS = {"imagenet": "top1", "nabirds": "top1", "coco": "map", "nuswide": "map"}
#: Sources of accuracies without training, by their short name.
SOURCES = {
    "DiffRate": "Chen et al. 2023, README of OpenGVLab/DiffRate",
    "GTP": "Xu et al. 2024, README of Ackesnal/GTP-ViT",
    "MaMe": "README of cominder/mame, which also evaluated the other methods",
    "ToMe": "Bolya et al. 2023, README of facebookresearch/ToMe",
}


@dataclass(frozen=True)
class OffTheShelf:
    """A published top-1 accuracy on ImageNet's validation split of a method in a model without training.

    Attributes:
        model: timm's name with tag, or "mae_..." for classifiers of MAE, which timm does not have.
        method: name in tokred, or the label of a method that tokred does not have.
        per_block: number of tokens that every block removes; None for another schedule.
        options: the method's options, as text.
        gmacs: billions of multiply-accumulates; None where the source does not say.
        score: top-1 accuracy in percent.
        unreduced: that of the unreduced model; None where the source does not say.
        source: a key of `SOURCES`.
    """

    model: str
    method: str
    per_block: int | None
    options: str
    gmacs: float | None
    score: float
    unreduced: float | None
    source: str


@cache
def off_the_shelf() -> tuple[OffTheShelf, ...]:
    """Published accuracies of methods in pretrained models, in the order of their sources."""
    with (_FOLDER / "off_the_shelf.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            OffTheShelf(
                model=row["model"],
                method=row["method"],
                per_block=int(row["per_block"]) if row["per_block"] else None,
                options=row["options"],
                gmacs=float(row["gmacs"]) if row["gmacs"] else None,
                score=float(row["score"]),
                unreduced=float(row["unreduced"]) if row["unreduced"] else None,
                source=row["source"],
            )
            for row in csv.DictReader(file)
        )


def scores() -> pd.DataFrame:
    """Tables 1 and 7 as `schemas.SCORES`: 624 models, one seed. Columns that were not published are 0 or NaN.

    Cells that are empty in the paper (ToMe at 25 %) have no row.
    """
    import pandas as pd

    from tokred.tables import schemas

    stored = pd.read_csv(_FOLDER / "performance.csv", dtype={"keep_rate": str}).dropna(subset=["score"])
    rates = [canonical_rate(rate) for rate in stored["keep_rate"].fillna(UNREDUCED_RATE)]
    rows = stored.assign(keep_rate=rates, seed=0, metric=stored["dataset"].map(METRICS), n=0)
    rows = rows.assign(std_error=float("nan"), loss=float("nan"))
    return rows[schemas.SCORES.names].reset_index(drop=True)


@cache
def hyperparameters() -> dict[str, Any]:
    """Tables 2-6: "grid" (2), "datasets" (3), "imagenet_selected" (4), "baseline_deit" (5),
    "selected_source" (6), "fixed" (settings of all models in the text), and "searched" (the data set of 4).
    Callers must not modify it.
    """
    return yaml.safe_load((_FOLDER / "hyperparameters.yaml").read_text(encoding="utf-8"))
