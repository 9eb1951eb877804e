"""Estimated cost of a study before it runs: multiply-accumulates, GPU hours, bytes.

Multiply-accumulates are those of `tokred.schedules.macs`, counted as in publications: without those of
the reduction itself, and without two further savings of a reduced model (attention for fewer queries where
tokens are dropped within a block; no tokens but CLS after the last block's attention). A training step counts
as three forward passes. Bytes are those of the stored files before compression.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from tokred.data import registry as datasets
from tokred.data.options import CountOptions, FileOptions
from tokred.efficiency.macs import Network, block_tokens, num_classes_of, schedule_of
from tokred.files import atomic_path
from tokred.methods.registry import METHODS
from tokred.presentation.table import Table
from tokred.run import UNREDUCED, Run
from tokred.schedules.macs import forward_macs
from tokred.settings import parse
from tokred.settings.training import Training
from tokred.study.study import Study

#: Sustained throughput (TMAC/s) for which GPU hours are estimated.
THROUGHPUTS = (10, 30, 100)
#: Approximate numbers of training and test images of data sets without fixed numbers: NUS-WIDE's 220 thousand
#: (paper section 3.2), split 70 to 30 as by the authors of the asymmetric loss.
_APPROXIMATE_COUNTS = {"nuswide": (154_000, 66_000)}
_FLOAT = 4


def pattern_bytes(num_tokens: int, method: str, kept: Sequence[int]) -> float:
    """Bytes of the pattern of one image.

    Kept sets take log2(stages + 1) bits per token, clusters log2(number of clusters) per token and stage.

    Args:
        num_tokens: tokens of the input grid.
        method: name of the method.
        kept: number of tokens after each stage.
    """
    spec, bits = METHODS[method], 0.0
    if spec.kept or method == UNREDUCED:
        bits += num_tokens * math.log2(len(kept) + 1)
    if spec.clusters:
        bits += sum(num_tokens * math.log2(tokens) for tokens in kept)
    return bits / 8


def run_costs(study: Study) -> Iterator[dict[str, Any]]:
    """One row per run: number of training images, multiply-accumulates, bytes."""
    networks: dict[tuple[str, int], Network] = {}
    for run in study.runs():
        num_train, num_test, num_classes = _image_counts(study, run.dataset)
        key = (run.backbone, num_classes)
        if key not in networks:
            networks[key] = Network.of(study.settings.backbones[run.backbone], num_classes)
        shape = networks[key].shape
        blocks = block_tokens(shape, run.method, schedule_of(study, run.method, run.keep_rate))
        kept = [blocks[location].mlp - shape.num_prefix for location in study.locations]
        macs = forward_macs(shape, blocks).total
        train_images, val_images = _images_of_training(study, run, num_train, num_test)
        yield {
            "dataset": run.dataset,
            "runs": 1,
            "training images": train_images,
            "macs": float(macs) * (3 * train_images + val_images + num_test),
            "checkpoints": networks[key].parameters * _FLOAT if study.fine_tunes else 0,
            "patterns": num_test * pattern_bytes(shape.num_tokens, run.method, kept),
            "features": num_test * (len(kept) + 1) * shape.embed_dim * _FLOAT,
            "predictions": num_test * num_classes * _FLOAT,
        }


def _images_of_training(study: Study, run: Run, num_train: int, num_test: int) -> tuple[float, float]:
    """Numbers of images that a training learns from, and that it validates on; 0 without training."""
    if not study.fine_tunes:
        return 0, 0
    training = study.training_for(run)
    validated = _validation_images(training, num_train, num_test)
    return training.epochs * num_train, training.epochs * validated


def _validation_images(training: Training, num_train: int, num_test: int) -> float:
    """Number of forward passes after each epoch to select one: of the model, and of its moving average."""
    models = 1 if training.ema_decay is None else 2
    images = {"holdout": training.holdout * num_train, "test": num_test, "last": 0}
    return models * images[training.selection]


def _image_counts(study: Study, name: str) -> tuple[int, int, int]:
    """Numbers of training images, test images and classes of a data set, from its configuration.

    Raises:
        ValueError: the configuration does not determine the number of training or test images.
    """
    dataset = study.settings.datasets[name]
    options = datasets.get(dataset.adapter).check_options(study.options_of(dataset))
    assert isinstance(options, (CountOptions, FileOptions))  # those of every adapter
    about = _APPROXIMATE_COUNTS.get(dataset.adapter, (None, None))
    num_train, num_test = (options.num_train or about[0]), (options.num_test or about[1])
    if not study.fine_tunes:
        num_train = 0
    if num_train is None or num_test is None:
        raise ValueError(
            f"data set {name!r}: its number of images is not known before it is prepared; set its options "
            "num_train and num_test to estimate the cost"
        )
    return num_train, num_test, num_classes_of(study, name)


def cost_table(study: Study) -> Table:
    """Cost of the study by data set, and in total."""
    costs = pd.DataFrame(run_costs(study)).groupby("dataset").sum().loc[study.datasets]
    costs = pd.concat([costs, costs.sum().to_frame("all").T])
    values = pd.DataFrame(index=[*study.view().datasets.values(), "all"])
    values["", "models"] = costs["runs"].map("{:.0f}".format).to_list()
    values["", "10^6 training images"] = (costs["training images"] / 1e6).map("{:,.1f}".format).to_list()
    values["", "10^18 MAC"] = (costs["macs"] / 1e18).map("{:,.3g}".format).to_list()
    for throughput in THROUGHPUTS:
        hours = costs["macs"] / (throughput * 1e12) / 3600
        values["GPU hours at 10^12 MAC/s", str(throughput)] = hours.map("{:,.1f}".format).to_list()
    for name in ("checkpoints", "patterns", "features", "predictions"):
        values["GB", name] = (costs[name] / 1e9).map("{:,.2f}".format).to_list()
    values.columns = pd.MultiIndex.from_tuples(values.columns)
    note = (
        "A training step counts as three forward passes; evaluation after each epoch and at the end is "
        "included. Bytes are before compression. GPU hours are at sustained throughput, without reading and "
        "augmenting images."
    )
    return Table(f"Estimated cost of study {study.study}", note, values, corner="data set")


def write(config: Mapping[str, Any], outputs: Mapping[str, str]) -> None:
    """Write the cost of a study, from its configuration, as "csv" and "md"."""
    table = cost_table(parse(Study, config, "configuration of the study"))
    for name, text in (("csv", table.csv()), ("md", table.markdown())):
        with atomic_path(outputs[name]) as temporary:
            temporary.write_text(text, encoding="utf-8")
