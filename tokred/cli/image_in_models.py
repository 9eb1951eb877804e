"""What methods keep and merge of one image, from the models themselves: the picture of `tokred show`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from tokred.artifacts.token_pictures import Columns, Fates, Part, draw_fates
from tokred.methods.registry import METHODS
from tokred.models.reduced import ReducedModel
from tokred.models.trace import StageTrace
from tokred.run import UNREDUCED
from tokred.schedules.timm_sizes import grid_of
from tokred.tables.patterns import numbered_clusters

#: Most columns for a keep rate; of a schedule with more stages, some are shown.
_MOST = 4
#: Largest panel, in inches.
_PANEL = 1.4


def blocks_to_show(models: Sequence[ReducedModel]) -> list[int]:
    """Blocks after which tokens are shown: those with stages or, of many, four at equal distances."""
    depth, stages = len(models[0].blocks), sorted({block for model in models for block in model.locations})
    if 0 < len(stages) <= _MOST:
        return stages
    return [depth * (place + 1) // _MOST - 1 for place in range(_MOST)] if depth >= _MOST else [*range(depth)]


@torch.no_grad()
def fates_of(model: ReducedModel, pixels: Tensor, blocks: Sequence[int]) -> Fates:
    """What has become of the tokens of an image after some blocks of a model.

    Args:
        model: in evaluation mode.
        pixels: (1, 3, height, width) input of the model.
        blocks: increasing indices of blocks.
    """
    _, trace = model.trace(pixels, blocks)
    spec, grid = METHODS[model.method], grid_of(model)
    stages = trace.cpu().stages
    kept = np.stack([_anchored(stage, grid) for stage in stages])
    clusters = np.stack([numbered_clusters(stage.assign.numpy())[0].reshape(grid) for stage in stages])
    return Fates(
        kept=kept if spec.kept or model.method == UNREDUCED else None,
        clusters=clusters if spec.clusters else None,
        texts=tuple(f"{_num_tokens(stage)} tokens" for stage in stages),
    )


def _anchored(stage: StageTrace, grid: tuple[int, int]) -> NDArray[Any]:
    """(rows, columns) tokens that represent a slot."""
    anchor = stage.anchor.numpy()[0]
    kept = np.zeros(grid[0] * grid[1], dtype=bool)
    kept[anchor[anchor >= 0]] = True
    return kept.reshape(grid)


def _num_tokens(stage: StageTrace) -> int:
    """Tokens that are left, without padding, whose weight is 0; soft clusters may be no token's largest."""
    size, anchor = stage.size[0], stage.anchor[0]
    return int((size > 0).sum()) if (anchor >= 0).any() else len(size)


def draw(
    image: NDArray[Any],
    pixels: Tensor,
    models: Mapping[str, Sequence[ReducedModel | None]],
    groups: Sequence[str],
    blocks: Sequence[int],
    part: Part,
) -> Figure:
    """One row per method, one column per group and block, see `token_pictures.draw_fates`.

    Args:
        image: (height, width, 3) picture of what the model sees, values in [0, 1].
        pixels: (1, 3, height, width) input of the models.
        models: the model of each method in each group; None where the method does not support it.
        groups: titles of the groups, such as keep rates.
        blocks: increasing indices of blocks after which tokens are shown.
        part: what is shown; methods without it have no row.

    Raises:
        ValueError: no method has this part.
    """
    rows, some = [], next(model for row in models.values() for model in row if model is not None)
    for name, row in models.items():
        fates = [None if model is None else fates_of(model, pixels, blocks) for model in row]
        if any(found is not None and found.has(part) for found in fates):
            rows.append((METHODS[name].label, fates))
    if not rows:
        shown = {"kept": "kept tokens", "clusters": "clusters", "both": "kept tokens or clusters"}[part]
        raise ValueError(f"none of the methods {', '.join(models)} has {shown}")
    titles = [f"after {block + 1} of {len(some.blocks)} blocks" for block in blocks]
    return draw_fates(image, grid_of(some), rows, Columns(groups, titles), part, largest=_PANEL)
