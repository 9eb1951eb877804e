"""Entries of the figures and tables of the paper's appendices, and of those beside another study."""

from __future__ import annotations

from tokred.artifacts.artifact import Artifact
from tokred.artifacts.main_text import CHANCE_CAPTION
from tokred.methods.registry import METHODS
from tokred.metrics.registry import METRICS
from tokred.run import UNREDUCED

_PER_DATASET = "A row a data set. "
APPENDIX = [
    Artifact(
        "figure8",
        "figure",
        "Effect of the keep rate on kept tokens, per data set",
        _PER_DATASET + "IoA of kept tokens at two keep rates, as in Figure 3. " + CHANCE_CAPTION,
        ("keep_rates",),
        keep_rates=2,
        shows=("kept",),
        intervals="images",
    ),
    Artifact(
        "figure9",
        "figure",
        "Effect of the keep rate on clusters, per data set",
        _PER_DATASET + "Homogeneity of clusters at two keep rates, as in Figure 3. " + CHANCE_CAPTION,
        ("keep_rates",),
        keep_rates=2,
        shows=("clusters",),
        intervals="images",
    ),
    Artifact(
        "figure10",
        "figure",
        "Effect of the backbone on kept tokens, per data set",
        _PER_DATASET + "IoU of kept tokens in two backbones, as in Figure 4. " + CHANCE_CAPTION,
        ("backbones",),
        backbones=2,
        shows=("kept",),
        intervals="images",
    ),
    Artifact(
        "figure11",
        "figure",
        "Effect of the backbone on clusters, per data set",
        _PER_DATASET + "NMI of clusters in two backbones, as in Figure 4. " + CHANCE_CAPTION,
        ("backbones",),
        backbones=2,
        shows=("clusters",),
        intervals="images",
    ),
    Artifact(
        "figure12",
        "figure",
        "Patterns across data sets, by other metrics",
        "As Figure 5 with Spearman's correlation, Jensen-Shannon divergence, Earth Mover's Distance (in "
        "tokens) and histogram similarity. The second and third are distances: low means alike.",
        ("datasets",),
        datasets=2,
        shows=("kept",),
        intervals="seeds",
    ),
    Artifact(
        "figure14",
        "figure",
        "Other measures of features as proxies for performance",
        "As Figure 6 with the distances CKA and PWCCA: positive means that what differs more does worse.",
        ("proxies",),
    ),
]
APPENDIX += [
    Artifact(
        f"figure13{part}",
        "figure",
        f"Learned patterns against the fixed pattern {METHODS[fixed].plain_label}",
        "IoU of the tokens that a method keeps with those nearest to the image center. Values near the "
        "chance level mean that what is learned is more than a preference for the center. " + CHANCE_CAPTION,
        ("fixed",),
        methods=(fixed,),
        shows=("kept",),
        intervals="images",
    )
    for part, fixed in (("a", "l1"), ("b", "l2"), ("c", "linf"))
]
APPENDIX += [
    Artifact(
        f"figure{first + place}",
        "figure",
        f"Performance against {METRICS[measure].label} to {METHODS[anchor].label}, {ordinal} backbone",
        f"Difference in performance to {METHODS[anchor].label} against {METRICS[measure].label}, a point a "
        "method and keep rate, with Spearman's correlation over all points of a panel.",
        ("scores", table),
        backbones=place + 1,
        methods=() if anchor == UNREDUCED else (anchor,),
        shows=shows,
        fixed=True,
    )
    for first, measure, anchor, table, shows in (
        (15, "procrustes", UNREDUCED, "features", ("kept", "clusters")),
        (18, "procrustes", "topk", "features", ("kept", "clusters")),
        (21, "procrustes", "kmedoids", "features", ("kept", "clusters")),
        (24, "iou", "topk", "methods", ("kept",)),
        (27, "nmi", "kmedoids", "methods", ("clusters",)),
    )
    for place, ordinal in enumerate(("smallest", "second", "third"))
]
APPENDIX += [
    Artifact(
        f"figure{number}",
        "figure",
        f"Depth maps of {METHODS[name].label}",
        "Number of blocks that each token of the input grid passes through, averaged over the test images. "
        "Bright places are kept for longer.",
        ("depth",),
        methods=(name,),
    )
    for number, name in enumerate(("topk", "evit", "dynamicvit", "ats", "kmedoids", "dpcknn"), 30)
]
APPENDIX += [
    Artifact(
        f"figure{36 + 2 * place + odd}",
        "figure",
        f"{what} of an example image, {ordinal} data set",
        f"One test image at every keep rate and stage, with the backbone of Table 1. {how}",
        ("pictures", "examples"),
        datasets=place + 1,
        shows=(part,),
        fixed=True,
    )
    for place, ordinal in enumerate(("first", "second", "third", "fourth"))
    for odd, (what, part, how) in enumerate(
        (
            (
                "Clusters",
                "clusters",
                "Regions have the mean color of the cluster that they were at first; one that takes "
                "in others keeps its color. Good clusters follow the picture's edges.",
            ),
            (
                "Kept tokens",
                "kept",
                "Dropped tokens are dimmed; of merging methods the cluster centers are shown as kept.",
            ),
        )
    )
]
APPENDIX.append(
    Artifact(
        "figure2",
        "figure",
        "Example images",
        "Randomly chosen test images of each data set, with their classes.",
        ("pictures",),
    )
)
APPENDIX += [
    Artifact(
        "table2",
        "table",
        "Grid of the hyperparameter search",
        "The values that were tried of each searched setting.",
        ("grid",),
    ),
    Artifact(
        "table3",
        "table",
        "Settings of each data set",
        "What all methods share on a data set: epochs, batch size, loss, moving average, augmentations.",
        ("settings", "scores"),
    ),
    Artifact(
        "table4",
        "table",
        "Settings of the methods on the first data set",
        "Warm-up epochs, learning rate scale and freeze epochs of the backbone, by method and keep rate.",
        ("settings",),
    ),
    Artifact(
        "table5",
        "table",
        "Settings of the unreduced models",
        "The searched settings of the unreduced model on each data set on which it is trained.",
        ("settings",),
    ),
    Artifact(
        "table6",
        "table",
        "Whose settings the methods use",
        "Whether a method is trained with its settings of the first data set (I) or with those of "
        "the data set's unreduced model (D).",
        ("settings",),
        datasets=2,
    ),
    Artifact(
        "comparison",
        "figure",
        "Performance beside another study's",
        "Average ranks of the methods, and performance of the models that both have (else what "
        "reduction costs), here and in the paper or another study. What lies on the dashed line is "
        "the same in both.",
        ("scores", "reference"),
    ),
    Artifact(
        "differences",
        "table",
        "Differences to another study",
        "Performance less that of the paper or another study, with the largest disagreements in bold.",
        ("scores", "reference"),
    ),
]
