"""Makes a training's batch fit the number of images there are, and says in the log what a training does."""

from __future__ import annotations

import logging

from tokred.settings import Augmentation, Hardware, ImageAccess, Training

log = logging.getLogger(__name__)


def fitted(training: Training, count: int, hardware: Hardware, processes: int) -> Training:
    """Settings whose batch is not larger than the number of images to learn from.

    The learning rate is `lr * batch_size / lr_normalizer`, and so becomes smaller with the batch.

    Args:
        count: images to learn from.
        hardware: whose micro-batches the batch must consist of.
        processes: which share the batch.

    Raises:
        ValueError: fewer images than processes, or a single image where pairs are mixed.
    """
    if training.batch_size <= count:
        return training
    share = count // processes
    if hardware.micro_batch_size is not None and share > hardware.micro_batch_size:
        share -= share % hardware.micro_batch_size
    if training.mixup > 0 or training.cutmix > 0:  # which mix pairs
        share -= share % 2
    if not share:
        raise ValueError(
            f"{count} images to learn from are too few for {processes} processes"
            + (" and pairs that are mixed" if training.mixup > 0 or training.cutmix > 0 else "")
        )
    size = share * processes
    log.info(
        "batch_size %d, but only %d images to learn from: batches of %d, at %.3g of the learning rate",
        training.batch_size,
        count,
        size,
        size / training.batch_size,
    )
    return training.model_copy(update={"batch_size": size})


def describe(training: Training, access: ImageAccess, image_size: int, count: int) -> str:
    """What a training does with its images, in words for its log."""
    where = {
        "memory": f"{count:,} images in memory, of {image_size} x {image_size} pixels",
        "stream": f"{count:,} images streamed from their files, resized to {image_size} x {image_size}",
    }[access.source]
    chosen = training.model_dump(include=set(Augmentation.model_fields), exclude_defaults=True)
    augmentation = ", ".join(f"{name} {value}" for name, value in chosen.items()) or "none"
    rate = training.lr * training.batch_size / training.lr_normalizer
    return (
        f"{where}; {training.epochs} epochs in batches of {training.batch_size}, learning rate {rate:.3g}; "
        f"augmentation: {augmentation}"
    )
