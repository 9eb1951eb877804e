"""The registry of artifacts: contents, input tables, and the studies that can have each.

An artifact is one entry here, and a drawing function if none in `tokred.artifacts` draws it yet. The texts of
an entry and the picture that its function draws derive from the same arguments.
"""

from __future__ import annotations

import re

from tokred.artifacts.artifact import Artifact
from tokred.methods.registry import METHODS
from tokred.metrics.registry import METRICS
from tokred.run import UNREDUCED

#: Part of the caption of figures with chance levels and degenerate pairs.
_CHANCE = (
    "Short lines: chance level of each method, which is the value for unrelated patterns of the same sizes. "
    "Hollow marks: degenerate pairs, in which one pattern is a single cluster or keeps all tokens."
)
#: For each kind of metric: the table of pairs of methods that has it, the attributes of the methods that have
#: such patterns, and the name of the patterns.
_KINDS = {
    "sets": ("methods", ("kept",), "kept tokens"),
    "clusterings": ("methods", ("clusters",), "clusters"),
    "features": ("features", ("kept", "clusters"), "features"),
}
#: Metrics of Figure 12, top to bottom, with their names in its caption.
_OTHER_MAP_METRICS = {
    "spearman": "Spearman's correlation",
    "jensen_shannon": "Jensen-Shannon divergence",
    "emd": "Earth Mover's Distance (in tokens)",
    "histogram": "histogram similarity",
}
#: Title and explanation for each part of a pattern on an example image.
_EXAMPLES = {
    "clusters": (
        "Clusters",
        "Clusters of the first stage have the mean color of their pixels; a merged cluster has the color "
        "of its largest part. Good clusters follow the picture's edges.",
    ),
    "kept": (
        "Kept tokens",
        "Dropped tokens are dimmed. For merging methods, cluster centers are shown as kept tokens.",
    ),
}


def _label(name: str) -> str:
    """Name of a metric in titles and captions."""
    return METRICS[name].label


def _performance(name: str, position: int, title: str, caption: str) -> Artifact:
    return Artifact(
        name,
        "table",
        title,
        caption,
        ("scores",),
        "performance_table:make",
        {"position": position},
        backbones=position + 1,
    )


def _keep_rates_per_dataset(number: int, metric: str) -> Artifact:
    _, shows, patterns = _KINDS[METRICS[metric].kind]
    return Artifact(
        f"figure{number}",
        "figure",
        f"Effect of the keep rate on {patterns}, per data set",
        f"One row per data set. {_label(metric)} of {patterns} at two keep rates, as in Figure 3. {_CHANCE}",
        ("keep_rates",),
        "lines:draw_keep_rates",
        {"metrics": (metric,), "per_dataset": True},
        keep_rates=2,
        shows=shows,
        intervals="images",
    )


def _backbones_per_dataset(number: int, metric: str) -> Artifact:
    _, shows, patterns = _KINDS[METRICS[metric].kind]
    return Artifact(
        f"figure{number}",
        "figure",
        f"Effect of the backbone on {patterns}, per data set",
        f"One row per data set. {_label(metric)} of {patterns} in two backbones, as in Figure 4. {_CHANCE}",
        ("backbones",),
        "lines:draw_backbones",
        {"metrics": (metric,), "per_dataset": True},
        backbones=2,
        shows=shows,
        intervals="images",
    )


def _against_fixed(part: str, pattern: str) -> Artifact:
    return Artifact(
        f"figure13{part}",
        "figure",
        f"Learned patterns against the fixed pattern {METHODS[pattern].plain_label}",
        "IoU of the tokens that a method keeps with those nearest to the image center. Values near the "
        f"chance level mean that the method learned more than a preference for the center. {_CHANCE}",
        ("fixed",),
        "lines:draw_fixed",
        {"pattern": pattern},
        methods=(pattern,),
        shows=("kept",),
        intervals="images",
    )


def _scatter(number: int, measure: str, anchor: str, place: int) -> Artifact:
    """`place` is the index of the backbone, by rising capacity."""
    pairs, shows, _ = _KINDS[METRICS[measure].kind]
    ordinal = ("smallest", "second", "third")[place]
    return Artifact(
        f"figure{number}",
        "figure",
        f"Performance against {_label(measure)} to {METHODS[anchor].label}, {ordinal} backbone",
        f"Difference in performance to {METHODS[anchor].label} against {_label(measure)}, one "
        "point per method and keep rate, with Spearman's correlation over all points of a panel.",
        ("scores", pairs),
        "scatter:draw",
        {"pairs": pairs, "measure": measure, "anchor": anchor, "place": place},
        backbones=place + 1,
        methods=() if anchor == UNREDUCED else (anchor,),
        shows=shows,
        fixed=True,
    )


def _depth_maps(number: int, method: str) -> Artifact:
    return Artifact(
        f"figure{number}",
        "figure",
        f"Depth maps of {METHODS[method].label}",
        "Number of blocks that each token of the input grid passes through, averaged over the test images. "
        "Tokens at bright positions are kept longer.",
        ("depth",),
        "depth_maps:draw",
        {"method": method},
        methods=(method,),
    )


def _examples(number: int, place: int, part: str) -> Artifact:
    """`place` is the index of the data set in the study."""
    parts, explanation = _EXAMPLES[part]
    ordinal = ("first", "second", "third", "fourth")[place]
    return Artifact(
        f"figure{number}",
        "figure",
        f"{parts} of an example image, {ordinal} data set",
        f"One test image at every keep rate and stage, with the backbone of Table 1. {explanation}",
        ("pictures", "examples"),
        "examples:draw_patterns",
        {"place": place, "part": part},
        datasets=place + 1,
        shows=(part,),
        fixed=True,
    )


def _pareto(cost: str, title: str, axis: str) -> Artifact:
    table = "macs" if cost == "macs" else "efficiency"
    return Artifact(
        f"pareto_{cost}",
        "figure",
        title,
        f"{axis} A line per backbone and method through its keep rates, up to the unreduced model. Wide line "
        "and rings: the Pareto front over all models, which no other one beats in both. Models far below all "
        "others are outside of the picture.",
        (table, "scores"),
        "pareto:draw",
        {"cost": cost},
    )


_PERFORMANCE = [
    Artifact(
        "figure1",
        "figure",
        "Average rank",
        "Rank of each method among all methods, averaged over data sets, backbones and keep rates, with one "
        "standard deviation. Left is better.",
        ("scores",),
        "ranks:draw",
    ),
    _performance(
        "table1", 0, "Performance", "Performance in percent on the test split, per data set and keep rate."
    ),
    _performance(
        "table7a",
        1,
        "Performance with the largest other backbone",
        "As Table 1, for the largest of the other backbones.",
    ),
    _performance(
        "table7b",
        2,
        "Performance with the smallest backbone",
        "As Table 1, for the smallest of three or more backbones.",
    ),
    Artifact(
        "comparison",
        "figure",
        "Performance compared with another study",
        "Average ranks of the methods, and performance of the models that both studies have (otherwise the "
        "loss in performance by reduction), in this study and in the paper or another study. Points on the "
        "dashed line are equal in both.",
        ("scores", "reference"),
        "comparison:draw",
    ),
    Artifact(
        "differences",
        "table",
        "Differences to another study",
        "Performance minus that of the paper or another study, with the largest disagreements in bold.",
        ("scores", "reference"),
        "differences:make",
    ),
    Artifact(
        "orders",
        "table",
        "Order of the methods in another study",
        "Correlation of the average ranks of the methods with those of the paper or another study, by its "
        "backbones and data sets.",
        ("scores", "reference"),
        "orders:make",
    ),
    Artifact(
        "off_the_shelf",
        "table",
        "Published accuracies without training",
        "Published accuracies of the same backbones, and those of the study's runs that cost about as many "
        "multiply-accumulates (GMACs).",
        ("scores", "off_the_shelf"),
        "off_the_shelf:make",
    ),
]

_EFFICIENCY = [
    _pareto(
        "macs",
        "Performance over multiply-accumulates",
        "Multiply-accumulates of an image as publications count them, without those of the reduction itself.",
    ),
    _pareto(
        "throughput",
        "Performance over throughput",
        "Images per second at the best batch size, on the machine that the table `efficiency` names.",
    ),
    _pareto(
        "latency",
        "Performance over latency",
        "Median milliseconds of a forward pass of one image, measured on the machine that the table "
        "`efficiency` names.",
    ),
    Artifact(
        "reduction_time",
        "figure",
        "Time share of the reduction",
        "Share of a forward pass that is spent in a method's stages, at the largest batch size with which "
        "all models were measured. What a method saves in the blocks has to make up for it.",
        ("efficiency",),
        "pareto:draw_share",
    ),
    Artifact(
        "matched_budget",
        "table",
        "Performance at equal cost",
        "Performance in percent, interpolated to the multiply-accumulates of the most expensive method at "
        "each keep rate.",
        ("macs", "scores"),
        "matched_budget:make",
    ),
    Artifact(
        "agreement",
        "figure",
        "Agreement with the unreduced model",
        "Share of the images for which a reduced model has the same top-1 prediction as the unreduced model, "
        "right or wrong. With several labels per image: the share of the k top labels that both have in "
        "common, where k is the image's number of labels.",
        ("agreement",),
        "agreement:draw",
        intervals="images",
    ),
]

_PATTERNS = [
    Artifact(
        "figure3",
        "figure",
        "Effect of the keep rate",
        "Similarity of a method's patterns at two keep rates: the fraction of the tokens kept at the lower "
        f"keep rate that are also kept at the higher one ({_label('ioa')}, dashed: lower bound), and how "
        f"well finer clusters nest in coarser ones ({_label('homogeneity')}). 1 means that a lower keep "
        f"rate only removes or merges further tokens. {_CHANCE}",
        ("keep_rates",),
        "lines:draw_keep_rates",
        {"metrics": ("ioa", "homogeneity")},
        keep_rates=2,
        shows=("kept", "clusters"),
        intervals="images",
    ),
    _keep_rates_per_dataset(8, "ioa"),
    _keep_rates_per_dataset(9, "homogeneity"),
    Artifact(
        "figure7",
        "figure",
        "Actual keep rates",
        "Fraction of the tokens that a method with a variable number of tokens actually keeps, and the "
        "nominal fraction (dashed).",
        ("summary",),
        "actual_keep_rates:draw",
        shows=("dynamic",),
        intervals="images",
    ),
    Artifact(
        "figure4",
        "figure",
        "Effect of the backbone",
        f"Similarity of a method's patterns in backbones of different capacity: {_label('iou')} of kept "
        f"tokens (dashed: lower bound) and {_label('nmi')} of clusters. Values near the chance level "
        f"mean that the patterns depend on the backbone. {_CHANCE}",
        ("backbones",),
        "lines:draw_backbones",
        {"metrics": ("iou", "nmi")},
        backbones=2,
        shows=("kept", "clusters"),
        intervals="images",
    ),
    _backbones_per_dataset(10, "iou"),
    _backbones_per_dataset(11, "nmi"),
    *(_against_fixed(part, pattern) for part, pattern in (("a", "l1"), ("b", "l2"), ("c", "linf"))),
]

_OBJECTS = [
    Artifact(
        "objects",
        "figure",
        "Patterns and objects",
        "Does a method keep the object? Object recall: share of the object's tokens that are kept. Object "
        "purity, for methods that merge: share of the object in the cluster of an object's token, mean "
        "over these tokens. Short lines: chance level, the value for random patterns of the same sizes. "
        "Right: the values after the last stage against the change in performance (in points), with one "
        "line per method through its keep rates.",
        ("object_recall", "scores"),
        "object_recall:draw",
        shows=("kept", "clusters"),
        fixed=True,
        intervals="images",
    ),
]

_ROBUSTNESS = [
    Artifact(
        "robustness",
        "figure",
        "Performance on corrupted images",
        "Change in performance from the clean test images to the same images with noise, blur, more "
        "brightness and occluded patches, at three severities, in percent of the performance on clean "
        "images; means over data sets and backbones. Dashed: the unreduced model at severity 3. A method "
        "whose largest dot is left of it breaks under the corruption more than the unreduced model does.",
        ("robustness", "scores"),
        "robustness:draw",
    ),
    Artifact(
        "corruptions",
        "table",
        "Performance on corrupted images",
        "Performance on clean test images, and its mean change over three severities of each corruption, in "
        "percent of the performance on clean images; means over data sets and backbones.",
        ("robustness", "scores"),
        "robustness:make",
    ),
    Artifact(
        "calibration",
        "table",
        "Calibration",
        "Expected calibration error on the clean test images: how far a model's confidence is from how often "
        "it is right, mean over backbones.",
        ("calibration",),
        "robustness:make_calibration",
    ),
]

_AVERAGE_PATTERNS = [
    Artifact(
        "figure5",
        "figure",
        "Patterns across data sets",
        f"{_label('pearson')}'s correlation between the average depth of tokens on two data sets. High "
        "values mean that a method prefers the same positions on both data sets.",
        ("datasets",),
        "dataset_pairs:draw_backbones",
        {"metric": "pearson"},
        datasets=2,
        shows=("kept",),
        intervals="seeds",
    ),
    Artifact(
        "figure12",
        "figure",
        "Patterns across data sets, by other metrics",
        "As Figure 5 with {}, {}, {} and {}. ".format(*_OTHER_MAP_METRICS.values())
        + "The second and third are distances: low values mean that patterns are similar.",
        ("datasets",),
        "dataset_pairs:draw_metrics",
        {"metrics": tuple(_OTHER_MAP_METRICS)},
        datasets=2,
        shows=("kept",),
        intervals="seeds",
    ),
    *(
        _depth_maps(number, method)
        for number, method in enumerate(("topk", "evit", "dynamicvit", "ats", "kmedoids", "dpcknn"), 30)
    ),
]

_PROXIES = [
    Artifact(
        "figure6",
        "figure",
        "Similarity as a proxy for performance",
        "Spearman's correlation, over methods, between the difference in performance to a reference method "
        f"and the similarity to it. {_label('procrustes')} is a distance: positive values mean that methods "
        f"which differ more perform worse. {_label('iou')} and {_label('nmi')} are similarities: negative "
        "values mean the same.",
        ("proxies",),
        "proxy_grid:draw",
        {
            "panels": (
                ("procrustes", "topk"),
                ("procrustes", "kmedoids"),
                ("procrustes", UNREDUCED),
                ("iou", "topk"),
                ("nmi", "kmedoids"),
            )
        },
    ),
    Artifact(
        "figure14",
        "figure",
        "Other measures of features as proxies for performance",
        f"As Figure 6 with the distances {_label('cka')} and {_label('pwcca')}: positive values mean that "
        "methods which differ more perform worse.",
        ("proxies",),
        "proxy_grid:draw",
        {
            "panels": tuple(
                (measure, anchor)
                for measure in ("cka", "pwcca")
                for anchor in ("topk", "kmedoids", UNREDUCED)
            )
        },
    ),
    *(
        _scatter(first + place, measure, anchor, place)
        for first, measure, anchor in (
            (15, "procrustes", UNREDUCED),
            (18, "procrustes", "topk"),
            (21, "procrustes", "kmedoids"),
            (24, "iou", "topk"),
            (27, "nmi", "kmedoids"),
        )
        for place in range(3)
    ),
]

_IMAGES = [
    Artifact(
        "figure2",
        "figure",
        "Example images",
        "Randomly chosen test images of each data set, with their classes.",
        ("pictures",),
        "examples:draw_images",
    ),
    *(
        _examples(first + 2 * place, place, part)
        for place in range(4)
        for first, part in ((36, "clusters"), (37, "kept"))
    ),
]

_SETTINGS = [
    Artifact(
        "table2",
        "table",
        "Grid of the hyperparameter search",
        "The values of each searched setting that were tried.",
        ("grid",),
        "settings_tables:searched_grid",
    ),
    Artifact(
        "table3",
        "table",
        "Settings of each data set",
        "Settings that all methods share on a data set: epochs, batch size, loss, moving average, "
        "augmentations.",
        ("settings", "scores"),
        "settings_tables:of_datasets",
    ),
    Artifact(
        "table4",
        "table",
        "Settings of the methods on the first data set",
        "Warm-up epochs, learning rate scale and freeze epochs of the backbone, by method and keep rate.",
        ("settings",),
        "settings_tables:of_methods",
    ),
    Artifact(
        "table5",
        "table",
        "Settings of the unreduced models",
        "The searched settings of the unreduced model on each data set on which it is trained.",
        ("settings",),
        "settings_tables:of_unreduced",
    ),
    Artifact(
        "table6",
        "table",
        "Source of the methods' settings",
        "Whether a method is trained with its settings from the first data set (I) or with those of "
        "the data set's unreduced model (D).",
        ("settings",),
        "settings_tables:sources",
        datasets=2,
    ),
]


def _sort_key(artifact: Artifact) -> tuple[str, int, str]:
    """Sort key: figures before tables, by their numbers in the paper, then those that the paper lacks."""
    numbered = re.fullmatch(r"[a-z]+([0-9]+)([a-z]?)", artifact.name)
    return (
        (artifact.kind, int(numbered[1]), numbered[2]) if numbered else (artifact.kind, 1000, artifact.name)
    )


_ALL = sorted(
    [
        *_PERFORMANCE,
        *_ROBUSTNESS,
        *_EFFICIENCY,
        *_PATTERNS,
        *_OBJECTS,
        *_AVERAGE_PATTERNS,
        *_PROXIES,
        *_IMAGES,
        *_SETTINGS,
    ],
    key=_sort_key,
)
#: Every artifact by name, in the paper's order.
ARTIFACTS: dict[str, Artifact] = {artifact.name: artifact for artifact in _ALL}
