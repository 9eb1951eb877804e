"""Settings of fine-tuning and pretraining (paper section 3.3 and appendix B)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from tokred.settings.augmentation import Augmentation

Precision = Literal["float32", "bfloat16", "float16"]


class Training(Augmentation):
    """How one model is trained. Every field can be set per study, data set, method and keep rate.

    The learning rate rises linearly from `warmup_lr` to its peak, `lr * batch_size / lr_normalizer`, and
    falls along a cosine to `min_lr`. "Backbone" parameters (all but head, embeddings and the method's own)
    have `backbone_lr_scale` times that peak, but the same `warmup_lr` and `min_lr`, and do not learn at all
    during the first `backbone_freeze_epochs`.

    `batch_size` is what an optimiser step sees, in however many processes and micro-batches it is computed
    (`Hardware`). Without epochs (0) the pretrained weights are the result.
    """

    epochs: NonNegativeInt = Field(
        30, description="passes over the training split; 0: weights stay as they are"
    )
    batch_size: PositiveInt = Field(128, description="images per optimizer step, over all processes")
    lr: PositiveFloat = Field(0.001, description="peak learning rate for batches of `lr_normalizer` images")
    lr_normalizer: PositiveInt = Field(
        1024,
        description="batch size that `lr` is given for; the learning rate is proportional to the batch size",
    )
    min_lr: NonNegativeFloat = Field(1e-5, description="learning rate at the end of the cosine")
    warmup_lr: NonNegativeFloat = Field(1e-6, description="learning rate at the start of the warm-up")
    warmup_epochs: NonNegativeFloat = Field(5, description="epochs of linear warm-up; fewer than `epochs`")
    backbone_lr_scale: PositiveFloat = Field(
        1.0,
        description="factor on the backbone's peak learning rate; to leave the backbone as it is, set "
        "`backbone_freeze_epochs` to the number of epochs",
    )
    backbone_freeze_epochs: NonNegativeInt = Field(
        0, description="epochs at the start in which the backbone's learning rate is 0"
    )
    weight_decay: NonNegativeFloat = Field(
        0.05, description="of AdamW; none on biases, norms, position embedding and CLS"
    )
    clip_grad: PositiveFloat | None = Field(None, description="largest norm of the gradient; null: no limit")
    classifier_init: Literal["linear", "zeros"] = Field(
        "linear",
        description="a classifier for other classes than the pretrained one's starts as PyTorch's nn.Linear "
        "(as published), or with zeros: for trainings of so few steps that AdamW cannot undo random values",
    )
    drop_path: float = Field(0.1, ge=0, lt=1, description="stochastic depth, rising linearly to this")
    ema_decay: float | None = Field(0.9999, gt=0, lt=1, description="null: no moving average of the weights")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="single-label data sets only")
    asl_gamma_neg: NonNegativeFloat = Field(4.0, description="asymmetric loss, multi-label data sets")
    asl_gamma_pos: NonNegativeFloat = Field(0.0, description="asymmetric loss, multi-label data sets")
    asl_clip: float = Field(0.05, ge=0, lt=1, description="asymmetric loss, multi-label data sets")
    asl_micro_batch: PositiveInt | None = Field(
        None,
        description="asymmetric loss, multi-label data sets: the mean over images times this number, that is "
        "the sum over a micro-batch of so many images (as published: 256) on any hardware; null: the mean",
    )
    precision: Precision = Field(
        "float32", description="of matrix products and attention, in training and validation"
    )
    selection: Literal["holdout", "last", "test"] = Field(
        "holdout",
        description="which epoch's weights are kept: the best, of model and moving average, on a held-out "
        "part of the training split or (as published) on the test split; or the last epoch's",
    )
    holdout: float = Field(0.1, gt=0, lt=1, description="part of the training split for `selection: holdout`")

    @model_validator(mode="after")
    def _warm_up_fits(self) -> Training:
        if self.epochs and self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs {self.warmup_epochs}: expected less than epochs {self.epochs}")
        return self


class PartialTraining(Training):
    """Settings to which others are added, with which they are then checked together."""

    @model_validator(mode="after")
    def _warm_up_fits(self) -> PartialTraining:
        return self
