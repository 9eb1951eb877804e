"""Settings of pretraining: of backbones with `weights: pretrain`, and of those of the package."""

from __future__ import annotations

from typing import Any

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from tokred.settings.base import Name
from tokred.validation import Strict


class Recipe(Strict):
    """How one backbone is trained from scratch on an unlimited number of generated images of `digits`.

    The learning rate rises linearly from 0 to `lr` and falls along a cosine to a hundredth of it. AdamW has
    betas (0.9, 0.98).
    """

    steps: PositiveInt = Field(10000, description="optimizer steps, each on new images")
    batch_size: PositiveInt = Field(32, description="images in one step")
    lr: PositiveFloat = Field(0.001, description="learning rate after warm-up")
    warmup_steps: NonNegativeInt = Field(500, description="steps of linear warm-up")
    weight_decay: NonNegativeFloat = Field(0.05, description="weight decay of all matrices")
    clip_grad: PositiveFloat = Field(1.0, description="maximum norm of the gradient")
    token_labels: NonNegativeFloat = Field(
        1.0,
        description="weight of the token-labeling loss: each output token predicts its digit or 'background'",
    )
    attention_guidance: NonNegativeFloat = Field(
        0.2,
        description="weight of the cross-entropy between the attention of the CLS token and the uniform "
        "distribution over the tokens of the object",
    )
    guided_from: NonNegativeInt = Field(
        3, description="first block (counted from 0) whose attention is guided, with all later ones"
    )
    squared_distance: PositiveFloat | None = Field(
        0.05,
        description="scale of the residual stream after training: the mean squared distance from an object "
        "token to its five nearest tokens, divided by D; null: as trained",
    )
    key_offset: PositiveFloat | None = Field(
        1.6,
        description="norm of the mean key of each block after training, divided by the root mean square "
        "deviation from it; null: as trained",
    )
    test_images: PositiveInt = Field(6000, description="test images on which the final weights are measured")

    @model_validator(mode="after")
    def _warm_up_fits(self) -> Recipe:
        if self.warmup_steps >= self.steps:
            raise ValueError(f"warmup_steps {self.warmup_steps}: expected fewer than steps {self.steps}")
        return self


class Pretraining(Recipe):
    """The recipe of all backbones, with overrides for single ones."""

    backbones: dict[Name, dict[str, Any]] = Field({}, description="overrides of the recipe, by backbone")

    @model_validator(mode="after")
    def _warm_up_fits(self) -> Pretraining:
        return self  # checked for each backbone, with its overrides
