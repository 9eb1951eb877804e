"""timm's `VisionTransformer`, and its variant with a distillation token, as reduced models."""

from __future__ import annotations

from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from tokred.models.forward_state import ForwardState
from tokred.models.reduced import ReducedModel


class ReducedVisionTransformer(ReducedModel, VisionTransformer):
    """A `timm.models.vision_transformer.VisionTransformer` that reduces its tokens."""


class ReducedVisionTransformerDistilled(ReducedModel, VisionTransformerDistilled):
    """A `timm.models.deit.VisionTransformerDistilled` that reduces its tokens.

    Its distillation token is a prefix token like CLS. Both heads are used as in timm.
    """

    pooled_prefix = 2

    def _classify(self, x: Tensor, state: ForwardState) -> Tensor:
        """Logits of the mean of both heads; both logits while training with distillation, as in timm."""
        return self.forward_head(x)
