"""Settings of fine-tuning and pretraining (paper section 3.3 and appendix B)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from tokred.settings.augmentation import Augmentation

Precision = Literal["float32", "bfloat16", "float16"]


class Training(Augmentation):
    """How one model is trained. Every field can be set per study, data set, method and keep rate.

    The learning rate rises linearly from `warmup_lr` to its peak, `lr * batch_size / lr_normalizer`, and
    falls along a cosine to `min_lr`. "Backbone" parameters (all but those of `full_lr`, the method's own and
    a new classifier) have `backbone_lr_scale` times that peak, but the same `warmup_lr` and `min_lr`, and are
    frozen during the first `backbone_freeze_epochs`.

    `batch_size` is the effective batch size, over all processes and micro-batches (`Hardware`). With 0
    epochs the pretrained weights are the result.
    """

    epochs: NonNegativeInt = Field(30, description="passes over the training split; 0: no training")
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
        description="factor on the backbone's peak learning rate; to freeze the backbone, set "
        "`backbone_freeze_epochs` to the number of epochs",
    )
    backbone_freeze_epochs: NonNegativeInt = Field(
        0, description="number of first epochs in which the backbone is frozen"
    )
    full_lr: list[str] = Field(
        ["head.", "pos_embed", "patch_embed."],
        description="first characters of the names of pretrained parameters that are neither slowed down nor "
        "frozen (as published: classifier and embeddings); a method's own parameters and a new classifier "
        "never are",
    )
    weight_decay: NonNegativeFloat = Field(
        0.05, description="weight decay of AdamW; none on biases, norms, position embedding and CLS"
    )
    clip_grad: PositiveFloat | None = Field(None, description="maximum norm of the gradient; null: none")
    classifier_init: Literal["linear", "zeros"] = Field(
        "linear",
        description="initialization of a classifier for new classes: 'linear': that of PyTorch's nn.Linear "
        "(as published); 'zeros': for trainings with too few steps to overcome random values",
    )
    drop_path: float = Field(
        0.1, ge=0, lt=1, description="stochastic depth of the last block; rises linearly from 0"
    )
    ema_decay: float | None = Field(
        0.9999, gt=0, lt=1, description="decay of the moving average of the weights; null: none"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="single-label data sets only")
    asl_gamma_neg: NonNegativeFloat = Field(4.0, description="asymmetric loss, multi-label data sets")
    asl_gamma_pos: NonNegativeFloat = Field(0.0, description="asymmetric loss, multi-label data sets")
    asl_clip: float = Field(0.05, ge=0, lt=1, description="asymmetric loss, multi-label data sets")
    asl_micro_batch: PositiveInt | None = Field(
        None,
        description="asymmetric loss, multi-label data sets: mean over images, times this number, as if "
        "summed over a micro-batch of that size (as published: 256); null: the mean",
    )
    precision: Precision = Field(
        "float32", description="precision of matrix products and attention, in training and validation"
    )
    selection: Literal["holdout", "last", "test"] = Field(
        "holdout",
        description="epoch whose weights are kept: the best one, of model and moving average, on a held-out "
        "part of the training split or (as published) on the test split; or the last one",
    )
    holdout: float = Field(
        0.1, gt=0, lt=1, description="fraction of the training split for `selection: holdout`"
    )

    @model_validator(mode="after")
    def _warm_up_fits(self) -> Training:
        if self.epochs and self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs {self.warmup_epochs}: expected fewer than epochs {self.epochs}")
        return self


class PartialTraining(Training):
    """Settings that are completed by others, and checked together with them."""

    @model_validator(mode="after")
    def _warm_up_fits(self) -> PartialTraining:
        return self
