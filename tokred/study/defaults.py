"""Default training settings for data sets of a user's own images.

All settings of a study override them. They do not apply with `hyperparameters` of a file or of the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokred.settings.backbone import Backbone

#: Weights of small networks that were pretrained on generated images only, and therefore need a larger
#: learning rate than networks that were pretrained on photographs.
_SMALL = ("shipped", "pretrain")
_EPOCHS = 30
#: Largest shift of images in memory, as a fraction of their size; that of the built-in data sets.
_SHIFT = 1 / 16


def own_images(backbone: Backbone, source: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Training` for fine-tuning a backbone on images of a user's own.

    The batch is smaller for data sets with fewer images (`tokred.training.fit`); the learning rate is
    proportional to it.

    Args:
        backbone: its weights are fine-tuned.
        source: of images, "stream" or "memory".
        chosen: settings of the study; the warm-up is a tenth of their epochs.
    """
    epochs = chosen.get("epochs", _EPOCHS)
    settings = {
        "epochs": epochs,
        "warmup_epochs": epochs / 10 if isinstance(epochs, int) else 0,
        "batch_size": 32,
        "lr": 0.001 if backbone.weights in _SMALL else 0.0001,
        "lr_normalizer": 32,
        "clip_grad": 1.0,
        "drop_path": 0.0 if backbone.weights in _SMALL else 0.1,
        # A moving average over thousands of steps, and a held-out split, need many images.
        "ema_decay": None,
        "selection": "last",
    }
    if source == "stream":
        return {**settings, "crop": "random", "flip": 0.5}
    return {**settings, "max_shift": round(_SHIFT * backbone.image_size)}
