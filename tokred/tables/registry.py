"""The registry of result tables: path, schema, inputs, and the function that makes each table.

The rules of the workflow, the readers, `tokred.load`, the inputs of claims and the list in docs/results.md
derive from it. Importing it imports neither pyarrow nor the code that makes the tables.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tokred.metrics.registry import METRICS
from tokred.run import RUN_PATH

if TYPE_CHECKING:
    import pyarrow as pa

#: The slice of most comparisons: all methods and keep rates of one data set, backbone and seed.
SLICE = "{dataset}/{backbone}/{seed}"
#: Inputs that are not result tables. The image tables of the test splits:
TEST_IMAGES = "test_images"
#: The performance of another study, with which this one is compared:
OTHER_STUDY = "scores_of_other_study"
#: The file with the hyperparameters:
HYPERPARAMETERS = "hyperparameters"
#: The patterns of methods whose number of tokens depends on the image:
DYNAMIC_PATTERNS = "dynamic_patterns"
#: The test images of the first data set, and weights trained on it, first seed, for measurements of speed:
MEASURED_IMAGES, MEASURED_WEIGHTS = "measured_images", "measured_weights"
#: Inputs that are not made by this study, or are no tables: they do not tell which code made them.
FOREIGN = (OTHER_STUDY, HYPERPARAMETERS, MEASURED_WEIGHTS)

_SCHEMAS = "tokred.tables.schemas"


@dataclass(frozen=True)
class ResultTable:
    """Properties of a table that are known without reading it.

    Attributes:
        name: name in `tokred.load` and in other readers.
        path: path of its files below the study's folder, without suffix. Its wildcards are the slice of the
            study that one file covers.
        schema: name of its schema in `tokred.tables.schemas`; empty where the columns depend on the model.
        row: what one row describes, for the documentation; empty for a table that readers see under another
            name.
        rule: rule that makes it. Tables with the same rule are made by one call of their function, which
            returns their rows in the order of the registry.
        target: "module:function" for `tokred.comparison.job`, which makes it in a job of its own; empty for
            a table that a training or an extraction writes.
        inputs: names of the tables that it is made from (the files in the same slice), `TEST_IMAGES`, or
            names in `FOREIGN`.
        arguments: keyword arguments of the function.
        of_study: keyword arguments that depend on the study: names in
            `tokred.orchestration.table_plan.STUDY_ARGUMENTS`.
        metrics: names of the metrics that are computed for it.
        does: task of its rule, as a message for people.
        topic: subject of the artifacts that show it, which is their category in the report.
        for_claims: whether claims read it.
        masked: whether it exists only for data sets with object masks.
        untrained: whether it exists in a study of published performance, without models of its own.
        measured: whether it holds measurements of speed, which differ from one run to the next: then it is no
            part of the target `all`, and its job has the machine for itself.
        instead_of: name of the table that it replaces in a study without models of its own.
        of_training: whether it describes trainings, which a study with `training: none` does not have.
        on_request: key of the study that asks for it; empty: every study does. Without the key, artifacts
            that need the table are made only if they are asked for by name.
    """

    name: str
    path: str
    schema: str
    row: str
    rule: str
    target: str = ""
    inputs: tuple[str, ...] = ()
    arguments: Mapping[str, object] = field(default_factory=dict)
    of_study: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    does: str = ""
    topic: str = ""
    for_claims: bool = False
    masked: bool = False
    untrained: bool = False
    measured: bool = False
    instead_of: str = ""
    on_request: str = ""
    of_training: bool = False

    @property
    def code(self) -> tuple[str, ...]:
        """The code that a reader or writer of the table depends on: its schema, as "module:name"."""
        return (f"{_SCHEMAS}:{self.schema}",) if self.schema else ()

    @property
    def columns(self) -> pa.Schema:
        """Its schema; AttributeError where the columns depend on the model."""
        return getattr(importlib.import_module(_SCHEMAS), self.schema)

    @property
    def kind(self) -> str:
        """Kind of table in the metadata of its files, see `tokred.tables.parquet`."""
        return self.schema.lower() or self.folder

    @property
    def folder(self) -> str:
        """Folder of its files, below the study's; for a table of one file, its path without suffix."""
        return self.path.partition("/{")[0]

    @property
    def slice(self) -> str:
        """Path of a file below `folder`, without suffix; empty for a table of one file."""
        return self.path.removeprefix(self.folder).removeprefix("/")

    @property
    def of_runs(self) -> bool:
        """Whether there is one file per run."""
        return self.slice == RUN_PATH


def _of_kind(kind: str) -> tuple[str, ...]:
    """Names of all metrics of a kind."""
    return tuple(name for name, metric in METRICS.items() if metric.kind == kind)


def _pairs(
    name: str, source: str, metrics: tuple[str, ...], does: str, topic: str, path: str = SLICE, **more: Any
) -> ResultTable:
    """A table of pairs of runs (`schemas.PAIRS`), made by `tokred.comparison.<name>:compare`.

    Args:
        source: name of the table that it is made from.
        path: the slice that a file covers.
        more: other fields of `ResultTable`.
    """
    return ResultTable(
        name,
        f"metrics/{name}/{path}",
        "PAIRS",
        "pair of runs, stage and metric: mean, std and n over images, and the columns below",
        f"compare_{name}",
        f"tokred.comparison.{name}:compare",
        (source,),
        metrics=metrics,
        does=does,
        topic=topic,
        **more,
    )


_OF_MODELS = [
    ResultTable(
        "scores",
        f"scores/{RUN_PATH}",
        "SCORES",
        "run: performance, its standard error over images, loss",
        "extract",
        topic="Performance",
        for_claims=True,
        untrained=True,
    ),
    ResultTable("history", f"history/{RUN_PATH}", "HISTORY", "run and epoch", "train", of_training=True),
    ResultTable("predictions", f"predictions/{RUN_PATH}", "", "run and test image: logits", "extract"),
    ResultTable("patterns", f"patterns/{RUN_PATH}", "", "run and test image: fate of each token", "extract"),
    ResultTable("cls_features", f"features/{RUN_PATH}", "", "run and test image: CLS features", "extract"),
    ResultTable(
        "robustness",
        f"robustness/{RUN_PATH}",
        "ROBUSTNESS",
        "run, corruption of the test images and severity: performance, its standard error over images",
        "evaluate_corrupted",
        topic="Robustness and calibration",
        on_request="robustness",
    ),
]

_PAIRS = [
    _pairs(
        "keep_rates",
        "patterns",
        ("ioa", "homogeneity", "completeness"),
        "Compare keep rates",
        "Patterns over keep rates",
        for_claims=True,
    ),
    _pairs(
        "backbones",
        "patterns",
        ("iou", "nmi"),
        "Compare backbones",
        "Patterns over backbones",
        "{dataset}/{seed}",
        for_claims=True,
    ),
    _pairs(
        "datasets",
        "depth",
        _of_kind("maps"),
        "Compare data sets",
        "Average patterns",
        "{backbone}/{seed}",
        of_study=("grid",),
        for_claims=True,
    ),
    _pairs(
        "fixed",
        "patterns",
        ("iou",),
        "Compare methods with fixed patterns",
        "Learned against fixed patterns",
        for_claims=True,
    ),
    _pairs("methods", "patterns", ("iou", "nmi"), "Compare methods", "Proxies for performance"),
    _pairs("features", "cls_features", _of_kind("features"), "Compare features", "Proxies for performance"),
]

_OTHER_COMPARISONS = [
    ResultTable(
        "summary",
        f"metrics/summary/{SLICE}",
        "SUMMARY",
        "run and stage: actual keep rate, depth, non-empty clusters / K, margin",
        "summarize",
        "tokred.comparison.summary:summarize",
        ("patterns",),
        does="Summarize patterns",
        topic="Patterns over keep rates",
        for_claims=True,
    ),
    ResultTable(
        "object_recall",
        f"metrics/object_recall/{SLICE}",
        "OBJECT_RECALL",
        "run and stage, for data sets with object masks: object recall of methods that prune, object purity "
        "of those that merge; `chance`: mean of random patterns of the same sizes; `left_out`: images "
        "without an object token",
        "compare_object_recall",
        "tokred.comparison.object_recall:compare",
        ("patterns", TEST_IMAGES),
        of_study=("dataset", "size", "crop_pct"),
        metrics=_of_kind("objects"),
        does="Compare patterns with object masks",
        topic="Patterns and objects",
        masked=True,
    ),
    ResultTable(
        "agreement",
        f"metrics/agreement/{SLICE}",
        "AGREEMENT",
        "run: share of an image's k top labels that the unreduced model has as well, where k is the image's "
        "number of labels (one label: the same top-1 prediction); mean and std over images with labels",
        "compare_agreement",
        "tokred.comparison.agreement:compare",
        ("predictions",),
        does="Compare predictions with the unreduced model's",
        topic="Performance",
    ),
    ResultTable(
        "depth",
        f"metrics/depth/{SLICE}",
        "DEPTH",
        "run and token of the grid: mean number of blocks that it passes",
        "summarize",
        "tokred.comparison.summary:summarize",
        ("patterns",),
        does="Summarize patterns",
        topic="Average patterns",
        for_claims=True,
    ),
    ResultTable(
        "proxies",
        f"metrics/proxies/{SLICE}",
        "PROXIES",
        "correlation of similarity with performance",
        "compare_proxies",
        "tokred.comparison.proxies:compare",
        ("scores", "methods", "features"),
        does="Correlate similarity with performance",
        topic="Proxies for performance",
        for_claims=True,
    ),
    ResultTable(
        "calibration",
        f"metrics/calibration/{SLICE}",
        "CALIBRATION",
        "run, for data sets with one label per image: expected calibration error, the error that a perfectly "
        "calibrated model would have, mean confidence, accuracy",
        "measure_calibration",
        "tokred.comparison.calibration:measure",
        ("predictions",),
        does="Measure calibration",
        topic="Robustness and calibration",
        on_request="robustness",
    ),
    ResultTable(
        "pictures",
        "metrics/pictures/{dataset}",
        "PICTURES",
        "example image",
        "choose_pictures",
        "tokred.comparison.examples:choose_pictures",
        (TEST_IMAGES,),
        of_study=("dataset", "size", "crop_pct"),
        does="Choose example images",
        topic="Example images",
    ),
    ResultTable(
        "examples",
        f"metrics/examples/{SLICE}",
        "EXAMPLES",
        "run, stage and token of an example image",
        "show_examples",
        "tokred.comparison.examples:show_examples",
        ("patterns", "pictures"),
        does="Look up the tokens of an example image",
    ),
]

_OF_STUDY = [
    ResultTable(
        "published",
        "published",
        "SCORES",
        "",
        "published_scores",
        "tokred.comparison.reference:scores",
        arguments={"compare_with": "published"},
        does="Collect the published performance",
        untrained=True,
        instead_of="scores",
    ),
    ResultTable(
        "reference",
        "metrics/reference",
        "SCORES",
        "run that the study is compared with: performance",
        "reference_scores",
        "tokred.comparison.reference:scores",
        (OTHER_STUDY,),
        of_study=("compare_with",),
        does="Collect the reference performance",
        untrained=True,
    ),
    ResultTable(
        "off_the_shelf",
        "metrics/off_the_shelf",
        "OFF_THE_SHELF",
        "published accuracy without training of one of the study's backbones",
        "list_off_the_shelf",
        "tokred.comparison.off_the_shelf:rows",
        of_study=("config",),
        does="List published accuracies without training",
    ),
    ResultTable(
        "settings",
        "metrics/settings",
        "SETTINGS",
        "data set, method, keep rate and training setting: its value as text",
        "list_settings",
        "tokred.comparison.settings:rows",
        (HYPERPARAMETERS,),
        of_study=("config",),
        does="List training settings",
        topic="Settings",
        untrained=True,
        of_training=True,
    ),
    ResultTable(
        "grid",
        "metrics/grid",
        "GRID",
        "setting that was searched: the values that were tried",
        "list_settings",
        "tokred.comparison.settings:rows",
        (HYPERPARAMETERS,),
        of_study=("config",),
        does="List training settings",
        topic="Settings",
        untrained=True,
        of_training=True,
    ),
]

_EFFICIENCY = [
    ResultTable(
        "macs",
        "metrics/macs",
        "MACS",
        "run: multiply-accumulates of one image by component, as publications count them",
        "count_macs",
        "tokred.efficiency.macs:rows",
        (DYNAMIC_PATTERNS,),
        of_study=("config",),
        does="Count multiply-accumulates",
        topic="Efficiency",
        untrained=True,
    ),
    ResultTable(
        "efficiency",
        "metrics/efficiency/{backbone}",
        "EFFICIENCY",
        "backbone, method, keep rate and batch size: seconds, images/s, speed-up, memory, executed "
        "multiply-accumulates, and the conditions of the measurement (target `efficiency`)",
        "measure_efficiency",
        "tokred.efficiency.measurements:rows",
        (MEASURED_IMAGES, MEASURED_WEIGHTS),
        of_study=("config", "backbone", "device"),
        does="Measure efficiency",
        topic="Efficiency",
        untrained=True,
        measured=True,
    ),
]

#: Every result table by name.
TABLES: dict[str, ResultTable] = {
    table.name: table for table in [*_OF_MODELS, *_PAIRS, *_OTHER_COMPARISONS, *_OF_STUDY, *_EFFICIENCY]
}


def metrics_in(table: ResultTable) -> tuple[str, ...]:
    """Names of the metrics in a table: its own, or those of the tables that it is made from."""
    sources = (TABLES[name] for name in table.inputs if name in TABLES)
    return table.metrics or tuple(dict.fromkeys(name for source in sources for name in metrics_in(source)))


def markdown() -> str:
    """The list of tables in docs/results.md: `python -m tokred.tables`."""
    by_row: dict[str, list[str]] = {}
    for table in TABLES.values():
        if table.row:
            by_row.setdefault(table.row, []).append(f"`{table.name}`")
    rows = [f"| {', '.join(names)} | {about} |" for about, names in by_row.items()]
    return "\n".join(["| table | one row per |", "| --- | --- |", *rows])
