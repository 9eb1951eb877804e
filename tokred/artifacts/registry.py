"""The registry of artifacts: what each shows, what tables it needs, which studies it makes sense for.

An artifact is one file and one entry here. Figures have `draw(tables, view) -> Figure`, tables have
`make(tables, view) -> Table`; `tables` are data frames by the names in `needs`.
"""

from __future__ import annotations

import re

from tokred.artifacts.artifact import Artifact
from tokred.methods.registry import METHODS
from tokred.metrics.registry import METRICS
from tokred.run import UNREDUCED

_ALL = [
    Artifact(
        "figure1",
        "figure",
        "Average rank",
        "Rank of each method among all methods, averaged over data sets, backbones and keep rates, with one "
        "standard deviation. Left is better.",
        ("scores",),
    ),
    Artifact(
        "figure3",
        "figure",
        "Effect of the keep rate",
        "How alike a method's patterns are at two keep rates: part of the fewer kept tokens that is also "
        "among the more (IoA, dashed: the least possible), and how well finer clusters nest in coarser ones "
        "(Homogeneity). 1 means that lowering the keep rate only removes or merges further.",
        ("keep_rates",),
        keep_rates=2,
        shows=("kept", "clusters"),
        intervals="images",
    ),
    Artifact(
        "figure4",
        "figure",
        "Effect of the backbone",
        "How alike a method's patterns are in backbones of different capacity: IoU of kept tokens (dashed: "
        "the least possible) and NMI of clusters. Low values mean that the backbone decides which tokens go.",
        ("backbones",),
        backbones=2,
        shows=("kept", "clusters"),
        intervals="images",
    ),
    Artifact(
        "figure5",
        "figure",
        "Patterns across data sets",
        "Pearson's correlation between the average depth of tokens on two data sets. High values mean that a "
        "method prefers the same places whatever it looks at.",
        ("datasets",),
        datasets=2,
        shows=("kept",),
        intervals="seeds",
    ),
    Artifact(
        "figure6",
        "figure",
        "Similarity as a proxy for performance",
        "Spearman's correlation, over methods, between the difference in performance to an anchor and the "
        "similarity to it. Procrustes is a distance, so positive means that what differs more does worse; "
        "IoU and NMI are similarities, so negative does.",
        ("proxies",),
    ),
    Artifact(
        "figure7",
        "figure",
        "Actual keep rates",
        "Tokens that a method with a variable number of tokens really keeps, against what it may keep "
        "(dashed).",
        ("summary",),
        shows=("dynamic",),
        intervals="images",
    ),
    Artifact(
        "table1",
        "table",
        "Performance",
        "Performance in percent on the test split, per data set and keep rate.",
        ("scores",),
    ),
    Artifact(
        "table7a",
        "table",
        "Performance with the largest other backbone",
        "As Table 1, for the largest of the other backbones.",
        ("scores",),
        backbones=2,
    ),
    Artifact(
        "table7b",
        "table",
        "Performance with the smallest backbone",
        "As Table 1, for the smallest of three or more backbones.",
        ("scores",),
        backbones=3,
    ),
]

_PER_DATASET = "A row a data set. "
_ALL += [
    Artifact(
        "figure8",
        "figure",
        "Effect of the keep rate on kept tokens, per data set",
        _PER_DATASET + "IoA of kept tokens at two keep rates, as in Figure 3.",
        ("keep_rates",),
        keep_rates=2,
        shows=("kept",),
        intervals="images",
    ),
    Artifact(
        "figure9",
        "figure",
        "Effect of the keep rate on clusters, per data set",
        _PER_DATASET + "Homogeneity of clusters at two keep rates, as in Figure 3.",
        ("keep_rates",),
        keep_rates=2,
        shows=("clusters",),
        intervals="images",
    ),
    Artifact(
        "figure10",
        "figure",
        "Effect of the backbone on kept tokens, per data set",
        _PER_DATASET + "IoU of kept tokens in two backbones, as in Figure 4.",
        ("backbones",),
        backbones=2,
        shows=("kept",),
        intervals="images",
    ),
    Artifact(
        "figure11",
        "figure",
        "Effect of the backbone on clusters, per data set",
        _PER_DATASET + "NMI of clusters in two backbones, as in Figure 4.",
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
_ALL += [
    Artifact(
        f"figure13{part}",
        "figure",
        f"Learned patterns against the fixed pattern {METHODS[fixed].plain_label}",
        "IoU of the tokens that a method keeps with those nearest to the image center. Low values mean that "
        "what is learned is more than a preference for the center.",
        ("fixed",),
        methods=(fixed,),
        shows=("kept",),
        intervals="images",
    )
    for part, fixed in (("a", "l1"), ("b", "l2"), ("c", "linf"))
]
_ALL += [
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
_ALL += [
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
_ALL += [
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
_ALL.append(
    Artifact(
        "figure2",
        "figure",
        "Example images",
        "Randomly chosen test images of each data set, with their classes.",
        ("pictures",),
    )
)
_ALL += [
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


def _place(artifact: Artifact) -> tuple[str, int, str]:
    """Figures before tables, by their numbers in the paper; then what the paper has not."""
    numbered = re.fullmatch(r"[a-z]+([0-9]+)([a-z]?)", artifact.name)
    return (
        (artifact.kind, int(numbered[1]), numbered[2]) if numbered else (artifact.kind, 1000, artifact.name)
    )


#: Every artifact by name, in the paper's order.
ARTIFACTS: dict[str, Artifact] = {artifact.name: artifact for artifact in sorted(_ALL, key=_place)}
