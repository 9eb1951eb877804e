"""ATC: agglomerative clustering of tokens (Haurum, Escalera, Taylor and Moeslund 2024)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from tokred.methods.base import Context, Reducer, Reduction, no_representative, ones_like_tokens
from tokred.methods.linkage import cluster
from tokred.methods.matching import mean_keys
from tokred.methods.options import ATCOptions
from tokred.methods.tokens import weighted_means


class ATC(Reducer):
    """Clusters all tokens by the cosine distance of their keys, and keeps the mean of each cluster.

    Keys are averaged over heads. The tokens that enter a stage form K_s clusters, see
    `tokred.methods.linkage`. A token that stands for several counts once in the distances of clusters, and by
    its size in the means. Slots are in the order of the clusters' lowest tokens, on which no result depends.
    """

    options: ATCOptions

    has_key_weights = True

    def forward(self, x: Tensor, context: Context) -> Reduction:
        num_slots = min(self.stage.budget, x.shape[1])
        distance = cosine_distance(mean_keys(context.attention.keys).detach())
        assign = cluster(distance, num_slots, self.options.linkage)
        size = ones_like_tokens(x) if context.size is None else context.size
        tokens, merged_size = weighted_means(x, size, assign, num_slots)
        proportional = self.options.proportional == "log"
        return Reduction(
            tokens=tokens,
            anchor=no_representative(x, num_slots),
            assign=assign,
            weight=merged_size if proportional else None,
            size=merged_size if proportional else None,
        )


def cosine_distance(metric: Tensor) -> Tensor:
    """(B, N, N) differences of the cosines from 1, of (B, N, d) features.

    In double precision, where the device has it: single precision would make ties of nearly equal distances.
    """
    precise = metric.float() if metric.device.type == "mps" else metric.double()
    unit = F.normalize(precise, dim=-1)
    return 1 - unit @ unit.transpose(1, 2)
