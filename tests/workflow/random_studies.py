"""Random configurations of studies, and the real Snakemake's graph of jobs for a configuration."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from snakemake.api import SnakemakeApi
from snakemake.settings.enums import Quietness
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings

from tests.study.studies import default, overlaid
from tokred.methods.registry import PAPER
from tokred.orchestration.snakefile import StudyError

ROOT = Path(__file__).parents[2]
#: Names that a user may give, some of which mean something elsewhere.
NAMES = [
    "mine",
    "all",
    "test",
    "train",
    "none",
    "search",
    "pretraining",
    "figures",
    "0",
    "1_2",
    "CON",
    "Mine",
]
NAMES += [
    "published",
    "default",
    "digits",
    "scenes",
    "first",
    "baseline",
    "__",
    "trained",
    "topk",
    "vit_nano",
]
NAMES += ["metrics", "datasets", "a_" * 15, "a" * 30, "a/b", "00"]
METHODS = list(PAPER)
ARTIFACT_KEYS = {"compare_with": [None, "published", "mine", "other"], "table_intervals": [True, False]}


def _some(chance: random.Random, values: list[Any], least: int = 1, most: int | None = None) -> list[Any]:
    return chance.sample(values, chance.randint(least, min(len(values), most or len(values))))


def _maybe(chance: random.Random, probability: float, values: dict[str, Any]) -> dict[str, Any]:
    return values if chance.random() < probability else {}


def _training(chance: random.Random) -> dict[str, Any]:
    """Some training settings, of all kinds."""
    drawn = {
        "epochs": chance.choice([0, 1, 2, 30]),
        "batch_size": chance.choice([1, 7, 32, 4096]),
        "lr": chance.choice([1e-9, 0.001, 10]),
        "warmup_epochs": chance.choice([0, 0.3, 1, 5]),
        "drop_path": chance.choice([0, 0.5]),
        "ema_decay": chance.choice([None, 0.9]),
        "selection": chance.choice(["holdout", "last", "test"]),
        "holdout": chance.choice([0.01, 0.5, 0.99]),
        "max_shift": chance.choice([0, 2]),
        "precision": chance.choice(["float32", "bfloat16", "float16"]),
        "label_smoothing": chance.choice([0, 0.1]),
        "mixup": chance.choice([0, 0.8]),
        "cutmix": chance.choice([0, 1.0]),
        "repeats": chance.choice([1, 3]),
        "min_lr": chance.choice([0, 1e-5, 1]),
        "backbone_freeze_epochs": chance.choice([0, 1, 50]),
    }
    return {name: drawn[name] for name in _some(chance, list(drawn), 0, 4)}


def _dataset(chance: random.Random) -> dict[str, Any]:
    adapter = chance.choice(["digits", "scenes", "digits", "scenes", "image_folder", "imagenet", "nabirds"])
    adapter = chance.choice([adapter, adapter, adapter, "coco", "nuswide", "huggingface"])
    built_in = adapter in ("digits", "scenes")
    options: dict[str, Any] = {"num_train": 64, "num_test": 32} if built_in else {"root": "somewhere"}
    source = "memory" if built_in and chance.random() < 0.8 else "stream"
    return {
        "adapter": adapter,
        "options": options,
        "images": {"source": source, **_maybe(chance, 0.2, {"crop_pct": chance.choice([0.5, 1.0])})},
        **_maybe(chance, 0.3, {"label": chance.choice(["Same", "", "ä{b}_c|d", "x" * 80, "Digits"])}),
        "training": {
            **({} if source == "memory" else {"max_shift": 0}),
            **_maybe(chance, 0.3, _training(chance)),
        },
    }


def _backbone(chance: random.Random) -> dict[str, Any]:
    size, patch = chance.choice([(30, 3)] * 6 + [(30, 6), (32, 4), (16, 16), (4, 32), (24, 4)])
    return {
        "model": "vit_tiny_patch16_224",
        "image_size": size,
        "patch_size": patch,
        "depth": chance.choice([12] * 6 + [4, 1]),
        "weights": chance.choice(["shipped", "pretrain", "pretrain", "weights.safetensors"]),
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
        "kwargs": {"embed_dim": 48, "num_heads": 3},
        **_maybe(chance, 0.3, {"pretrained_on": chance.choice(["digits", "scenes", "nothing"])}),
        **_maybe(chance, 0.3, {"label": chance.choice(["Same", "ViT-Nano", "", "x_{y}"])}),
    }


def _search(chance: random.Random, study: dict[str, Any]) -> dict[str, Any]:
    return {
        **_maybe(chance, 0.3, {"backbone": chance.choice([*study["backbones"], "vit_nano"])}),
        "first": {
            "lr": [0.001],
            "lr_normalizer": [32],
            "warmup_epochs": [0, 0.5],
            "backbone_freeze_epochs": [0],
        },
        "others": {"lr": [0.01], "lr_normalizer": [32], "warmup_epochs": [0], "backbone_freeze_epochs": [0]},
        "select_on": chance.choice(["holdout", "test"]),
        **_maybe(chance, 0.3, {"methods": _some(chance, METHODS, 1, 3)}),
        **_maybe(chance, 0.3, {"keep_rates": _some(chance, [0.25, 0.5, 0.7, 0.9], 1, 2)}),
    }


def _of_the_paper(chance: random.Random) -> dict[str, Any]:
    """A part of a study that comes with tokred and is about the paper's models."""
    name = chance.choice(["paper", "published"])
    study = yaml.safe_load((ROOT / f"workflow/studies/{name}.yaml").read_text())
    return {
        **study,
        "datasets": _some(chance, study["datasets"], 1, 2),
        "backbones": _some(chance, study["backbones"], 1, 2),
        "methods": _some(chance, METHODS, 1, 4),
        "keep_rates": _some(chance, [0.25, 0.5, 0.7, 0.9], 1, 3),
        **_maybe(chance, 0.3, {"scores": chance.choice(["trained", "published"])}),
        **_maybe(chance, 0.3, {"hyperparameters": chance.choice(["own", "published"])}),
        **{key: chance.choice(values) for key, values in ARTIFACT_KEYS.items() if chance.random() < 0.4},
    }


def random_study(seed: int) -> dict[str, Any]:
    """An overlay of the default study, small enough that its graph of jobs is quickly made.

    Many configurations are invalid; valid ones must run.
    """
    chance = random.Random(seed)
    if chance.random() < 0.2:
        return _of_the_paper(chance)
    names = _some(chance, NAMES, 4, 4)
    backbones = {name: _backbone(chance) for name in names[:2]}
    if chance.random() < 0.7:  # alike enough for one study
        first = backbones[names[0]]
        same = {key: first[key] for key in ("image_size", "patch_size", "depth")}
        backbones = {name: {**backbone, **same} for name, backbone in backbones.items()}
    datasets = {name: _dataset(chance) for name in names[2:]}
    study: dict[str, Any] = {
        "study": chance.choice([*NAMES, "mine", "mine", "mine"]),
        "datasets": _some(chance, [*datasets, "digits", "scenes"], 1, 2),
        "backbones": _some(chance, [*backbones, "vit_nano", "vit_micro"], 1, 2),
        "methods": _some(chance, METHODS, 0 if chance.random() < 0.1 else 1, 4),
        "keep_rates": _some(chance, [0.2, 0.25, 0.333, 0.5, 0.7, 0.9, 0.999, 1, "0.50"], 1, 3),
        "seeds": _some(chance, [0, 1, 7, 2**31 - 1], 1, 2),
        "locations": sorted(_some(chance, [0, 1, 2, 3, 6, 9, 11] + [12] * (chance.random() < 0.1), 1, 3)),
        **{key: chance.choice(values) for key, values in ARTIFACT_KEYS.items() if chance.random() < 0.4},
        **_maybe(chance, 0.15, {"scores": chance.choice(["trained", "published"])}),
        **_maybe(chance, 0.2, {"hyperparameters": chance.choice(["own", "published", "nowhere.yaml"])}),
        **_maybe(chance, 0.3, {"training": _training(chance)}),
        **_maybe(chance, 0.1, {"pretraining": None}),
        **_maybe(chance, 0.1, {"data": chance.choice(["/nowhere", "~/x", "", "a b"])}),
        **_maybe(chance, 0.2, {"environment": chance.choice(["cpu", "gpu"])}),
        "evaluation_batch_size": chance.choice([1, 128]),
        "evaluation_precision": chance.choice(["float32", "float16"]),
        "settings": {"datasets": datasets, "backbones": backbones},
    }
    if chance.random() < 0.3:
        study["hardware"] = {
            "device": chance.choice(["auto", "cpu", "cuda"]),
            "processes": chance.choice([1, 2]),
            "nodes": chance.choice([1, 2]),
            "workers": chance.choice([0, 3]),
            "micro_batch_size": chance.choice([None, 1]),
        }
    if chance.random() < 0.3:
        study["settings"]["methods"] = {
            name: {
                "keep_rates": {chance.choice([0.5, 0.7, 0.123]): _training(chance)},
                "training": _training(chance),
            }
            for name in _some(chance, METHODS, 1, 2)
        }
    if chance.random() < 0.3:
        study["search"] = _search(chance, study)
    return study


def whole(overlay: dict[str, Any]) -> dict[str, Any]:
    """The configuration that Snakemake hands to the Snakefile for an overlay."""
    return overlaid(default(), overlay)


def graph(overlay: dict[str, Any], folder: Path, *targets: str) -> dict[str, int]:
    """Number of jobs by rule in the graph that Snakemake makes for an overlay of the default study.

    In this process, which is many times faster than the command line; without targets: for `all`.

    Raises:
        ValueError: the configuration is refused.
        WorkflowError: there is no such graph.
    """
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(config=overlay),
            snakefile=ROOT / "Snakefile",
            workdir=folder,
        )
        try:
            workflow.dag(dag_settings=DAGSettings(targets=set(targets))).execute_workflow(executor="dryrun")
        except StudyError as error:  # pytest needs errors with tracebacks
            raise ValueError(str(error)) from None
        finally:
            workflow._workflow.sourcecache.runtime_cache.cleanup()  # Snakemake leaves it to the end of Python
        return dict(Counter(job.rule.name for job in workflow._workflow.dag.jobs))
