"""What a study will cost, before any of it is run: multiply-accumulates, hours, bytes.

Multiply-accumulates are those of `tokred.models.macs`, counted as in publications: without what a method
computes itself, and without what a reduced model saves besides, which is attention for fewer queries where
tokens are dropped within a block, and all tokens but CLS after the last block's attention. A training step
counts three times the forward pass. Bytes are those of what is stored, before compression.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch

from tokred.data import registry as datasets
from tokred.data.options import CountOptions, FileOptions
from tokred.files import atomic_path
from tokred.methods.base import Reducer, Site
from tokred.methods.budget import token_budget
from tokred.methods.registry import METHODS
from tokred.models.factory import build_vit
from tokred.models.macs import BlockTokens, Shape, forward_macs
from tokred.presentation.table import Table
from tokred.run import UNREDUCED
from tokred.settings import Backbone, parse
from tokred.settings.training import Training
from tokred.study.study import Study

#: Speeds for which hours are given, in 10^12 multiply-accumulates a second that are really reached.
SPEEDS = (10, 30, 100)
#: About how many training and test images there are where a data set has no fixed numbers: NUS-WIDE's 220
#: thousand (paper section 3.2), parted 70 to 30 as by the asymmetric loss's authors.
_ABOUT = {"nuswide": (154_000, 66_000)}
_FLOAT = 4


@dataclass(frozen=True)
class Network:
    """Of a backbone: its sizes, and its number of parameters."""

    shape: Shape
    parameters: int

    @classmethod
    def of(cls, backbone: Backbone, num_classes: int) -> Network:
        """Of the model that a configuration describes; no memory is taken for it."""
        with torch.device("meta"):
            vit = build_vit(backbone, num_classes)
        return cls(Shape.of(vit), sum(parameter.numel() for parameter in vit.parameters()))


def block_tokens(shape: Shape, locations: Sequence[int], method: str, keep_rate: str) -> list[BlockTokens]:
    """The tokens of every block of a reduced model, counted as in publications.

    Attention counts for all tokens that enter it: the rows that a method drops within a block are included.
    """
    if method == UNREDUCED:
        return shape.unreduced()
    reducer: type[Reducer] = METHODS[method].load()
    before = reducer.site is Site.BEFORE
    blocks, tokens = [], shape.num_prefix + shape.num_tokens
    for block in range(shape.depth):
        left = tokens
        if block in locations:
            stage = locations.index(block) + 1
            left = shape.num_prefix + token_budget(shape.num_tokens, keep_rate, stage)
        attended = left if before else tokens
        blocks.append(BlockTokens(attended, attended, left))
        tokens = left
    return blocks


def pattern_bytes(num_tokens: int, method: str, keep_rate: str, stages: int) -> float:
    """Of one image: log2(stages + 1) bits a token for kept tokens, log2(clusters) a token and stage."""
    spec, bits = METHODS[method], 0.0
    if spec.kept or method == UNREDUCED:
        bits += num_tokens * math.log2(stages + 1)
    if spec.clusters:
        budgets = [token_budget(num_tokens, keep_rate, stage) for stage in range(1, stages + 1)]
        bits += sum(num_tokens * math.log2(budget) for budget in budgets)
    return bits / 8


def run_costs(study: Study) -> Iterator[dict[str, Any]]:
    """A row a run: `images` seen in training, multiply-accumulates, bytes."""
    networks: dict[tuple[str, int], Network] = {}
    for run in study.runs():
        train, test, classes = _counts(study, run.dataset)
        key = (run.backbone, classes)
        if key not in networks:
            networks[key] = Network.of(study.settings.backbones[run.backbone], classes)
        shape = networks[key].shape
        blocks = block_tokens(shape, study.locations, run.method, run.keep_rate)
        training, macs = study.training_for(run), forward_macs(shape, blocks).total
        images = training.epochs * train
        validated = training.epochs * _validated(training, train, test)
        stages = len(study.locations)
        yield {
            "dataset": run.dataset,
            "runs": 1,
            "training images": images,
            "macs": float(macs) * (3 * images + validated + test),
            "checkpoints": networks[key].parameters * _FLOAT,
            "patterns": test * pattern_bytes(shape.num_tokens, run.method, run.keep_rate, stages),
            "features": test * (stages + 1) * shape.embed_dim * _FLOAT,
            "predictions": test * classes * _FLOAT,
        }


def _validated(training: Training, train: int, test: int) -> float:
    """Images that are looked at after each epoch, by the model and by its moving average."""
    models = 1 if training.ema_decay is None else 2
    return models * {"holdout": training.holdout * train, "test": test, "last": 0}[training.selection]


def _counts(study: Study, name: str) -> tuple[int, int, int]:
    """Numbers of training and test images and of classes, as far as the configuration knows.

    Raises:
        ValueError: it does not know one of the first two.
    """
    dataset = study.settings.datasets[name]
    options = datasets.get(dataset.adapter).check_options(study.options_of(dataset))
    assert isinstance(options, (CountOptions, FileOptions))  # those of every adapter
    about = _ABOUT.get(dataset.adapter, (None, None))
    train, test = (options.num_train or about[0]), (options.num_test or about[1])
    if train is None or test is None:
        raise ValueError(
            f"data set {name!r}: how many images it has is not known before it is prepared; "
            "options num_train and num_test would say it"
        )
    return train, test, getattr(options, "num_classes", None) or 10


def scale_table(study: Study) -> Table:
    """What the study costs by data set, and in all."""
    costs = pd.DataFrame(run_costs(study)).groupby("dataset").sum().loc[study.datasets]
    costs = pd.concat([costs, costs.sum().to_frame("all").T])
    values = pd.DataFrame(index=[*study.view().datasets.values(), "all"])
    values["", "models"] = costs["runs"].map("{:.0f}".format).to_list()
    values["", "10^6 training images"] = (costs["training images"] / 1e6).map("{:,.1f}".format).to_list()
    values["", "10^18 MAC"] = (costs["macs"] / 1e18).map("{:,.3g}".format).to_list()
    for speed in SPEEDS:
        hours = costs["macs"] / (speed * 1e12) / 3600
        values["GPU hours at 10^12 MAC/s", str(speed)] = hours.map("{:,.1f}".format).to_list()
    for name in ("checkpoints", "patterns", "features", "predictions"):
        values["GB", name] = (costs[name] / 1e9).map("{:,.2f}".format).to_list()
    values.columns = pd.MultiIndex.from_tuples(values.columns)
    note = (
        "Forward pass once, training step three times; evaluation after each epoch and at the end. "
        "Bytes before compression. Hours at speeds that are really reached, reading and augmenting "
        "of images not counted."
    )
    return Table(f"What study {study.study} costs", note, values, corner="data set")


def write(config: Mapping[str, Any], outputs: Mapping[str, str]) -> None:
    """The job: from a study's configuration to "csv" and "md"."""
    table = scale_table(parse(Study, config, "configuration of the study"))
    for name, text in (("csv", table.csv()), ("md", table.markdown())):
        with atomic_path(outputs[name]) as temporary:
            temporary.write_text(text, encoding="utf-8")
