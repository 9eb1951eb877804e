"""Tables of pictures of many sizes, and a small backbone for them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from tokred.data.info import Row, TableInfo
from tokred.data.streamed import Stream
from tokred.data.writing import write
from tokred.models.factory import build_model
from tokred.run import Run
from tokred.settings import DEFAULT_HARDWARE, Backbone, Hardware, ImageAccess, Training
from tokred.training.loop import Trainer

SMALL = Backbone(
    model="vit_tiny_patch16_224",
    image_size=16,
    patch_size=4,
    depth=3,
    kwargs={"embed_dim": 24, "num_heads": 3},
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)
CENTER = ImageAccess(source="stream", crop_pct=0.875)
WHOLE = ImageAccess(source="stream")
#: All that Table 3 names for ImageNet.
AUGMENTED = {
    "crop": "random",
    "flip": 0.5,
    "randaugment": "rand-m9-mstd0.5-inc1",
    "erasing": 0.25,
    "mixup": 0.8,
    "cutmix": 1.0,
    "mix_micro_batch": 4,
    "repeats": 3,
    "label_smoothing": 0.1,
}
PLAIN = {"epochs": 2, "batch_size": 8, "lr_normalizer": 8, "warmup_epochs": 0.5, "ema_decay": 0.9}
PLAIN |= {"drop_path": 0.0, "clip_grad": 1.0, "selection": "last"}


def picture(index: int) -> Image.Image:
    """Noise over the colour of its class (of five), in a size of its own."""
    rng = np.random.default_rng(index)
    height, width = rng.integers(18, 40, 2)
    color = np.random.default_rng(index % 5).integers(0, 180, 3)
    pixels = color + rng.integers(0, 76, (height, width, 3))
    return Image.fromarray(pixels.astype(np.uint8))


def table(path: Path, count: int, task: str = "single", split: str = "train", classes: int = 5) -> str:
    """Write a table of pictures; with several labels, image i has i % 5 and (i + 1) % 5."""

    def rows() -> Iterator[Row]:
        for index in range(count):
            stored = io.BytesIO()
            picture(index).save(stored, "PNG")
            label = index % classes if task == "single" else [index % classes, (index + 1) % classes]
            yield Row(f"{split}-{index}", stored.getvalue(), f"{index}.png", label)

    write(path, TableInfo("pictures", split, task, tuple(map(str, range(classes)))), rows())
    return str(path)


def trainer(
    path: str, method: str = "topk", hardware: Hardware = DEFAULT_HARDWARE, **changes: object
) -> Trainer:
    """A training on streamed pictures."""
    run = Run("pictures", "small", method, "1.00" if method == "none" else "0.50", 0)
    training = Training(**{**PLAIN, **changes})
    images = Stream.read(path, SMALL, CENTER, hardware.workers)
    validation = None if training.selection == "last" else images
    model = build_model(run, SMALL, {}, (1, 2), images.num_classes, training.drop_path)
    return Trainer(model, run, SMALL, training, images, validation, hardware)
