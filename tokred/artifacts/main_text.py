"""Entries of the figures and tables of the paper's main text, and of Table 7, which goes with Table 1."""

from __future__ import annotations

from tokred.artifacts.artifact import Artifact

#: What figures of pattern similarity show besides values.
CHANCE_CAPTION = (
    "Short lines: what unrelated patterns of the same sizes would have, for each method. Hollow marks: pairs "
    "that say nothing, as a pattern is a single cluster or keeps all tokens."
)

MAIN_TEXT = [
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
        "(Homogeneity). 1 means that lowering the keep rate only removes or merges further. "
        + CHANCE_CAPTION,
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
        "the least possible) and NMI of clusters. Values near the chance level mean that the backbone "
        "decides which tokens go. " + CHANCE_CAPTION,
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
