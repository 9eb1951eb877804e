"""The reference methods, called anchors in the paper, to which its section 5.5 compares all others."""

from __future__ import annotations

from tokred.run import UNREDUCED

#: Reference method of each pattern metric.
PATTERN_ANCHORS = {"iou": "topk", "nmi": "kmedoids"}
#: Reference methods of the metrics of CLS features.
FEATURE_ANCHORS = ("topk", "kmedoids", UNREDUCED)
