"""The anchor methods to which section 5.5 of the paper compares all others."""

from __future__ import annotations

from tokred.run import UNREDUCED

#: Anchor of each pattern metric.
PATTERN_ANCHORS = {"iou": "topk", "nmi": "kmedoids"}
#: Anchors of the metrics of CLS features.
FEATURE_ANCHORS = ("topk", "kmedoids", UNREDUCED)
