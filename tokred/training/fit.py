"""The batch size that fits the number of training images, and a description of the training for its log."""

from __future__ import annotations

import logging

from tokred.settings import Augmentation, Hardware, ImageAccess, Training

log = logging.getLogger(__name__)


def fit_batch_size(training: Training, count: int, hardware: Hardware, processes: int) -> Training:
    """Settings with a batch size that does not exceed the number of training images.

    The learning rate, `lr * batch_size / lr_normalizer`, decreases with the batch size.

    Args:
        count: number of training images.
        hardware: its `micro_batch_size` must divide the batch of a process.
        processes: number of processes, each of which computes an equal part of the batch.

    Raises:
        ValueError: fewer images than processes, or than two per process if pairs are mixed.
    """
    if training.batch_size <= count:
        return training
    per_process = count // processes
    if hardware.micro_batch_size is not None and per_process > hardware.micro_batch_size:
        per_process -= per_process % hardware.micro_batch_size
    if training.mixup > 0 or training.cutmix > 0:  # these mix pairs of images
        per_process -= per_process % 2
    if not per_process:
        raise ValueError(
            f"{count} training images are too few for {processes} processes"
            + (" that mix pairs of images" if training.mixup > 0 or training.cutmix > 0 else "")
        )
    size = per_process * processes
    log.info(
        "batch_size %d exceeds the %d training images: using batches of %d, and the learning rate times %.3g",
        training.batch_size,
        count,
        size,
        size / training.batch_size,
    )
    return training.model_copy(update={"batch_size": size})


def describe(training: Training, access: ImageAccess, image_size: int, count: int) -> str:
    """Images, schedule and augmentation of a training, for its log."""
    images = {
        "memory": f"{count:,} images in memory, of {image_size} x {image_size} pixels",
        "stream": f"{count:,} images streamed from files and resized to {image_size} x {image_size}",
    }[access.source]
    chosen = training.model_dump(include=set(Augmentation.model_fields), exclude_defaults=True)
    augmentation = ", ".join(f"{name} {value}" for name, value in chosen.items()) or "none"
    rate = training.lr * training.batch_size / training.lr_normalizer
    return (
        f"{images}; {training.epochs} epochs in batches of {training.batch_size}, learning rate {rate:.3g}; "
        f"augmentation: {augmentation}"
    )
