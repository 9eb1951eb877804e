"""The numbers of the paper: Tables 1 and 7 (`performance.csv`), 2-6 (`hyperparameters.yaml`).

Source: J. B. Haurum, S. Escalera, G. W. Taylor, T. B. Moeslund, "Which Tokens to Use? Investigating Token
Reduction in Vision Transformers", 2023.
"""

from __future__ import annotations

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
