"""Training settings that data sets of a user's own images start from.

They are below everything that a study says itself, and not used with `hyperparameters` of a file or of the
paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokred.settings.backbone import Backbone

#: Weights that are made in this project: small networks that have seen nothing but the built-in pictures, and
#: so learn more from a larger learning rate than networks that were trained on photographs.
_SMALL = ("shipped", "pretrain")
_EPOCHS = 30
#: Images of the backbone's size are shifted by up to this part of it, as those of the built-in data sets are.
_SHIFT = 1 / 16


def own_images(backbone: Backbone, source: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Training` for fine-tuning a backbone on images of a user's own.

    A batch is made smaller where there are fewer images than that (`tokred.training.fit`). The learning rate
    is given for `lr_normalizer` images a batch, and follows the batch.

    Args:
        backbone: whose weights are fine-tuned.
        source: where images are read from, "stream" or "memory".
        chosen: what the study sets itself; the warm-up is a tenth of its epochs.
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
        # A moving average over thousands of steps, or a part that is held out, needs many images.
        "ema_decay": None,
        "selection": "last",
    }
    if source == "stream":
        return {**settings, "crop": "random", "flip": 0.5}
    return {**settings, "max_shift": round(_SHIFT * backbone.image_size)}
