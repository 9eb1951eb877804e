"""The configuration of a study: its axes, and the settings of all runs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, NonNegativeInt, PositiveInt, Tag, model_validator

from tokred import published
from tokred.data import registry as datasets
from tokred.methods import registry as methods
from tokred.names import nearest
from tokred.run import PRETRAINING, RUN_COLUMNS, UNREDUCED, UNREDUCED_RATE, Run
from tokred.schedules import Schedule
from tokred.schedules.base import check_blocks
from tokred.schedules.budget import token_budget
from tokred.settings.base import Name, Rate
from tokred.settings.hardware import Hardware
from tokred.settings.images import ImageAccess
from tokred.settings.pretraining import Pretraining, Recipe
from tokred.settings.training import PartialTraining, Precision, Training
from tokred.study import defaults, hyperparameters
from tokred.study.parts import METHOD_MODELS, Dataset, Method, Settings, or_empty
from tokred.study.schedules import follows_rate, schedule_at
from tokred.study.search import Search
from tokred.study.view import View
from tokred.study.weights import check_weights
from tokred.validation import Strict, check_unique, parse

#: Value of `training` in a study without training.
UNTRAINED = "none"
#: Tables store the index of a stage, and the one after the last, in 8 bits.
MOST_STAGES = 2**7 - 2


def _axis(description: str) -> Any:
    """The field of an axis, a list with at least one value."""
    return Field(min_length=1, description=description)


def _settings_or_none(value: Any) -> Any:
    """Settings as they are, an empty mapping for null; ValueError for a text other than "none"."""
    if isinstance(value, str) and value != UNTRAINED:
        raise ValueError(f"expected a mapping, or {UNTRAINED!r} for a study without training, found {value!r}")
    return or_empty(value)


def _is_none(value: Any) -> str:
    """Which of the two kinds of values of `training` a value is."""
    return UNTRAINED if value == UNTRAINED else "settings"


#: Training settings, or the text "none".
_TrainingOrNone = Annotated[
    Annotated[Literal["none"], Tag(UNTRAINED)] | Annotated[PartialTraining, Tag("settings")],
    Discriminator(_is_none),
    BeforeValidator(_settings_or_none),
]


class Study(Strict):
    """A whole study. The first five fields are its axes, in the order of a run's identity."""

    study: Name = Field(description="name of the study: its results are in results/<study>")
    datasets: list[Name] = _axis("data sets, defined in `settings.datasets`")
    backbones: list[Name] = _axis("backbones, defined in `settings.backbones`")
    methods: list[Name] = _axis("reduction methods; the unreduced model is always part of a study")
    keep_rates: list[Rate] = _axis("keep rates r in (0, 1]; methods skip those that they do not support")
    seeds: list[NonNegativeInt] = _axis("seeds of trainings")
    locations: list[NonNegativeInt] = Field(
        min_length=1,
        max_length=MOST_STAGES,
        description="blocks in which the paper's stages act, ascending, counted from 0; patterns are stored "
        "after these blocks whatever a method's schedule is",
    )
    scores: Literal["trained", "published"] = Field(
        "trained",
        description="source of performance: the study's own models, or Tables 1 and 7 of the paper, in which "
        "case only artifacts of performance are made",
    )
    compare_with: Name | None = Field(
        "published",
        description="study with whose performance it is compared: 'published', the name of another study "
        "(whose results must exist), or null",
    )
    table_intervals: bool = Field(
        False, description="show 95 % confidence intervals in tables of performance"
    )
    hyperparameters: str = Field(
        hyperparameters.OWN,
        description="training settings that those of the study override: 'own': none, 'published': those of "
        "the paper, by adapter, method and keep rate, or a file like tokred/published/hyperparameters.yaml",
    )
    training: _TrainingOrNone = Field(
        PartialTraining(),
        description="settings of all runs, which override `hyperparameters` or the defaults of the data set; "
        "or 'none': the pretrained backbones are evaluated with every method, without training",
    )
    built_in_training: Annotated[dict[str, Any], BeforeValidator(or_empty)] = Field(
        {},
        description="default training settings of the built-in data sets (adapters digits and scenes) in "
        "memory; not used with `hyperparameters`. Other data sets have those of tokred/study/defaults.py",
    )
    evaluation_batch_size: PositiveInt = Field(128, description="images per forward pass of an extraction")
    evaluation_precision: Precision = Field(
        "float32", description="precision of matrix products and attention in extractions"
    )
    hardware: Hardware = Field(Hardware(), description="devices and processes of trainings")
    data: str | None = Field(None, description="folder to which the `root` of data sets is relative")
    environment: Literal["cpu", "gpu"] = Field("cpu", description="conda environment of `--sdm conda`")
    pretraining: Pretraining | None = Field(
        None, description="recipe of backbones with `weights: pretrain`; null: no such backbones"
    )
    search: Search | None = Field(None, description="hyperparameter search of the target `search`")
    settings: Settings = Field(description="definitions of the names on the axes")

    @model_validator(mode="after")
    def _check(self) -> Study:
        self._check_axes()
        self._check_names()
        self._check_methods()
        self._check_backbones()
        self._check_runs()
        self._check_pretrainings()
        if not self.fine_tunes:
            self._check_untrained()
        if self.compare_with == self.study:
            raise ValueError(
                f"compare_with: {self.study!r} is the study itself; expected another, 'published' or null"
            )
        return self

    def _check_axes(self) -> None:
        """No axis has duplicate entries, and names on axes are defined in the settings."""
        for axis in ("datasets", "backbones", "methods", "keep_rates", "seeds"):
            check_unique(axis, getattr(self, axis))
        for axis in ("datasets", "backbones"):
            _check_defined(axis, getattr(self, axis), getattr(self.settings, axis))

    def _check_methods(self) -> None:
        """Methods exist, and the unreduced model is not among them."""
        for name in self.methods:
            methods.get(name)
        if UNREDUCED in self.methods:
            raise ValueError(f"methods: {UNREDUCED!r} is part of every study; expected a list without it")

    def _check_backbones(self) -> None:
        """Each backbone can be reduced, and all have the same grid and depth."""
        for backbone in self.backbones:
            self._check_backbone(backbone)
        grids = {self.settings.backbones[name].grid for name in self.backbones}
        if len(grids) > 1:
            raise ValueError(
                f"backbones: expected the same grid of input tokens for all, found {sorted(grids)}"
            )
        depths = {self.settings.backbones[name].depth for name in self.backbones}
        if len(depths) > 1:
            raise ValueError(f"backbones: expected the same depth for all, found {sorted(depths)}")
        if self.scores == "trained":
            for backbone in self.backbones:
                check_weights(backbone, self.settings.backbones[backbone])

    def _check_runs(self) -> None:
        """Every method has runs, and every run can be trained or was published."""
        for name in self.methods:
            self._check_schedule(name)
            if not self.rates_of(name):
                raise ValueError(f"methods: {name!r} supports none of the keep rates {self.keep_rates}")
        for run in self.runs():
            self._check_run(run)
        if self.scores == "published":
            _check_published(self.runs())

    @property
    def fine_tunes(self) -> bool:
        """Whether models are fine-tuned; otherwise the study evaluates pretrained backbones as they are."""
        return self.training != UNTRAINED

    def _check_untrained(self) -> None:
        """Without training, models have all their parameters from the backbone, and do not depend on a seed."""
        if self.scores == "published":
            raise ValueError(
                "training: found 'none' with `scores: published`, expected one of them, as the published "
                "performance is that of trained models"
            )
        if len(self.seeds) > 1:
            raise ValueError(
                f"seeds: found {len(self.seeds)}, expected one, as the study trains nothing (training: "
                "'none') and results would be the same for all"
            )
        for name in self.methods:
            try:
                self.options_of_method(name)
            except ValueError as error:
                raise ValueError(f"methods: {error} (training: 'none')") from None
        for run in self.runs():
            if not self.keeps_head(run):
                known = self.settings.backbones[run.backbone].pretrained_on
                adapter = self.settings.datasets[run.dataset].adapter
                raise ValueError(
                    f"settings.backbones.{run.backbone}.pretrained_on: found {known!r}, expected a backbone "
                    f"with the classes of data set {run.dataset!r} ({adapter!r}), as the study trains no "
                    "classifier (training: 'none')"
                )

    def _check_pretrainings(self) -> None:
        """Pretrained backbones are defined, and have the image size of `digits`."""
        if self.pretraining is not None:
            _check_defined("pretraining.backbones", self.pretraining.backbones, self.settings.backbones)
            for name in self.backbones:
                self._check_pretraining(name)

    def _check_pretraining(self, name: str) -> None:
        recipe, backbone = self.pretraining_for(name), self.settings.backbones[name]
        if backbone.weights != "pretrain":
            return
        size = datasets.get("digits").size
        if backbone.image_size != size or size % backbone.patch_size:
            raise ValueError(
                f"settings.backbones.{name}: found image_size {backbone.image_size} and patch_size "
                f"{backbone.patch_size}, expected image_size {size}, as it is pretrained on digits, "
                "and a patch_size that divides it"
            )
        if recipe.attention_guidance and recipe.guided_from >= backbone.depth:
            raise ValueError(
                f"pretraining of {name}: guided_from: expected less than {backbone.depth}, the depth, "
                f"found {recipe.guided_from}"
            )

    def _check_names(self) -> None:
        """All names and labels can be told apart."""
        for axis in ("datasets", "backbones"):
            _check_periods(axis, getattr(self, axis))
            lower: dict[str, str] = {}
            for name in getattr(self, axis):
                other = lower.setdefault(name.lower(), name)
                if other != name:
                    raise ValueError(
                        f"{axis}: {other!r} and {name!r} are one folder on file systems that ignore case; "
                        "expected names that differ in more than case"
                    )
        for axis, labels in (("datasets", self.dataset_labels()), ("backbones", self.backbone_labels())):
            # The table of costs has a row of this name.
            named: dict[str, str] = {"all": "the sum over all data sets"} if axis == "datasets" else {}
            for name, label in labels.items():
                other = named.setdefault(label, name)
                if other != name:
                    raise ValueError(
                        f"settings.{axis}.{name}.label: {label!r} is also the label of {other!r}; expected "
                        "another one, as figures and tables show only labels"
                    )

    def _check_backbone(self, name: str) -> None:
        backbone = self.settings.backbones[name]
        in_stages = [method for method in self.methods if self.method(method).schedule is None]
        if in_stages:
            for rate in self.keep_rates:
                for stage in range(1, len(self.locations) + 1):
                    token_budget(backbone.shape.num_tokens, rate, stage)
        for method in [*in_stages, UNREDUCED]:
            check_blocks(self.locations, backbone.depth, methods.get(method).limits)
        if backbone.weights == "pretrain" and self.pretraining is None:
            raise ValueError(f"settings.backbones.{name}.weights: 'pretrain' needs the key `pretraining`")

    def _check_schedule(self, name: str) -> None:
        """Every backbone and the method can follow its schedule at every keep rate."""
        given, key = self.method(name).schedule, f"settings.methods.{name}.schedule"
        if given is None:
            return
        if not follows_rate(given) and len(self.keep_rates) > 1:
            raise ValueError(
                f"{key}: found one schedule for {len(self.keep_rates)} keep rates, expected one for each (a "
                "mapping by keep rate), or one that follows them ('matched', 'stages')"
            )
        if isinstance(given, dict) and not self.rates_of(name):
            found, expected = ", ".join(given), ", ".join(self.keep_rates)
            raise ValueError(f"{key}: found the keep rates {found}, expected some of the study's: {expected}")
        for rate, backbone in product(self.rates_of(name), self.backbones):
            schedule = self.schedule_of(name, rate)
            assert schedule is not None  # of all rates of a method that has one
            try:
                schedule.budgets(self.settings.backbones[backbone].shape, methods.get(name).limits)
            except ValueError as error:
                raise ValueError(f"{key}: keep rate {rate}, backbone {backbone!r}: {error}") from None

    def _check_run(self, run: Run) -> None:
        described = self.settings.datasets[run.dataset]
        source = self.images_of(described, run.backbone).source
        if self.fine_tunes:
            self._check_training(run, source)
        made, needed = datasets.get(described.adapter).size, self.settings.backbones[run.backbone].image_size
        if source == "memory" and made not in (None, needed):
            raise ValueError(
                f"settings.datasets.{run.dataset}.images.source: found 'memory', expected 'stream' or "
                f"'auto': its images have size {made}, backbone {run.backbone!r} has image_size {needed}"
            )

    def _check_training(self, run: Run, source: str) -> None:
        training = self.training_for(run)
        _check_augmentation(f"training of {run.key}", training, source)
        if training.epochs == 0 and not self.keeps_head(run):
            raise ValueError(
                f"training of {run.key}: epochs: found 0, expected more, as the backbone's classifier has "
                f"other classes (pretrained_on {self.settings.backbones[run.backbone].pretrained_on!r})"
            )

    def method(self, name: str) -> Method:
        """Settings of a method; the defaults if the study has none."""
        return self.settings.methods.get(name) or METHOD_MODELS[name].model_validate({})

    def options_of_method(self, name: str) -> dict[str, Any]:
        """Options of a method's models; ValueError for a method that a study without training cannot have."""
        options = self.method(name).options
        if self.fine_tunes:
            return options.model_dump()
        spec = methods.get(name)
        chosen = spec.untrained_options(options.model_dump(exclude_unset=True))
        return spec.check_options(chosen).model_dump()

    def rates_of(self, method: str) -> list[str]:
        """The study's keep rates that a method supports, ascending.

        A method with a schedule supports those that it has one for. In the paper's stages, ToMe supports none
        below 0.50.
        """
        if method == UNREDUCED:
            return [UNREDUCED_RATE]
        spec, scheduled = methods.get(method), self.method(method).schedule is not None
        return sorted(
            rate
            for rate in self.keep_rates
            if (self.schedule_of(method, rate) is not None if scheduled else spec.can_keep(rate))
        )

    def schedule_of(self, method: str, keep_rate: str) -> Schedule | None:
        """Number of tokens that each block of a method's runs leaves; None for the paper's stages.

        None also if its schedules by keep rate have none for this one, at which it has no runs.
        """
        given = self.method(method).schedule
        return None if given is None else schedule_at(given, keep_rate, self.locations)

    def options_of(self, dataset: Dataset) -> dict[str, Any]:
        """The options of a data set that are set; a relative `root` is resolved in the folder `data`."""
        options = dataset.options.model_dump(exclude_unset=True)
        if "root" not in options:
            return options
        root = Path(self.data or "", Path(options["root"]).expanduser())
        return {**options, "root": str(root.expanduser())}

    def runs(self) -> Iterator[Run]:
        """Every model of the study, the unreduced ones included."""
        for dataset in self.datasets:
            for backbone in self.backbones:
                for method in [UNREDUCED, *self.methods]:
                    for rate in self.rates_of(method):
                        for seed in self.seeds:
                            yield Run(dataset, backbone, method, rate, seed)

    def training_for(self, run: Run) -> Training:
        """Training settings of a run.

        In increasing order of precedence: `hyperparameters` or the defaults of the data set, then settings
        of study, data set, method and keep rate.

        Raises:
            ValueError: the study has no training.
        """
        method = self.method(run.method)
        own = {**method.training, **method.keep_rates.get(run.keep_rate, {})}
        return parse(Training, self.settings_below(run, own), f"training of {run.key}")

    def settings_below(self, run: Run, own: Mapping[str, Any]) -> dict[str, Any]:
        """Training settings of a run, with `own` as those of its method and keep rate."""
        if isinstance(self.training, str):
            raise ValueError(f"study {self.study!r} trains no models (training: {self.training!r})")
        described, backbone = self.settings.datasets[run.dataset], self.settings.backbones[run.backbone]
        chosen = {**self.training.model_dump(exclude_unset=True), **described.training, **own}
        if self.hyperparameters != hyperparameters.OWN:
            named = hyperparameters.settings_from(
                self.hyperparameters, described.adapter, run.method, run.keep_rate
            )
            return {**named, **chosen}
        source = self.images_of(described, run.backbone).source
        if source == "memory" and datasets.get(described.adapter).size is not None:
            return {**self.built_in_training, **chosen}
        return {**defaults.own_images(backbone, source, chosen), **chosen}

    def images_of(self, dataset: Dataset, backbone: str) -> ImageAccess:
        """How the images of a data set are read for a backbone."""
        made = datasets.get(dataset.adapter).size
        return dataset.images.access(made, self.settings.backbones[backbone].image_size)

    def keeps_head(self, run: Run) -> bool:
        """Whether the classifier of the backbone's weights has the classes of the run's data set."""
        known = self.settings.backbones[run.backbone].pretrained_on
        adapters = [known] if isinstance(known, str) else known or []
        return self.settings.datasets[run.dataset].adapter in adapters

    def _published_models(self) -> dict[str, str]:
        """timm's names of the backbones with published accuracies without training on ImageNet."""
        adapters = {self.settings.datasets[name].adapter for name in self.datasets}
        if self.fine_tunes or "imagenet" not in adapters:
            return {}
        known = {row.model for row in published.off_the_shelf()}
        models = {name: self.settings.backbones[name].model for name in self.backbones}
        return {name: model for name, model in models.items() if model in known}

    def pretraining_run(self, backbone: str) -> Run:
        """Identity of the pretraining of a backbone."""
        return Run(PRETRAINING, backbone, UNREDUCED, UNREDUCED_RATE, 0)

    def pretraining_for(self, backbone: str) -> Recipe:
        """The recipe of a backbone's pretraining: that of all backbones, with its overrides."""
        settings = self.pretraining
        if settings is None:
            raise ValueError(f"study {self.study!r} has no pretraining: the key `pretraining` is missing")
        own = settings.backbones.get(backbone, {})
        merged = {**settings.model_dump(exclude={"backbones"}), **own}
        return parse(Recipe, merged, f"pretraining of {backbone}")

    def _reference(self) -> str | None:
        """Label of the study with whose performance it is compared."""
        if self.compare_with == "published":
            return "the paper" if self.scores == "trained" else None
        return self.compare_with and f"study {self.compare_with}"

    def dataset_labels(self) -> dict[str, str]:
        """Labels of data sets in figures and tables.

        The default is the adapter's label, or the data set's name if several data sets share that label.
        """
        described = {name: self.settings.datasets[name] for name in self.datasets}
        labels = {name: d.label or datasets.get(d.adapter).label or name for name, d in described.items()}
        shared = {label for label, count in Counter(labels.values()).items() if count > 1}
        return {
            name: name if label in shared and described[name].label is None else label
            for name, label in labels.items()
        }

    def backbone_labels(self) -> dict[str, str]:
        """Labels of backbones in figures and tables."""
        return {name: self.settings.backbones[name].label or name for name in self.backbones}

    def _has_masks(self, dataset: str) -> bool:
        """Whether the images of a data set have object masks."""
        described = self.settings.datasets[dataset]
        return datasets.get(described.adapter).check_options(self.options_of(described)).has_masks

    def view(self) -> View:
        """The view of the study for figures and tables."""
        return View(
            study=self.study,
            datasets=self.dataset_labels(),
            backbones=self.backbone_labels(),
            methods=tuple(name for name in methods.METHODS if name in self.methods),
            keep_rates=tuple(sorted(self.keep_rates)),
            seeds=tuple(self.seeds),
            locations=tuple(self.locations),
            grid=self.settings.backbones[self.backbones[0]].grid,
            depth=self.settings.backbones[self.backbones[0]].depth,
            trained=self.scores == "trained",
            fine_tuned=self.fine_tunes,
            searched=self.hyperparameters != hyperparameters.OWN,
            reference=self._reference(),
            table_intervals=self.table_intervals,
            masked=tuple(name for name in self.datasets if self._has_masks(name)),
            scheduled={
                name: tuple(self.rates_of(name))
                for name in self.methods
                if self.method(name).schedule is not None
            },
            published_models=self._published_models(),
        )


def _check_augmentation(context: str, training: Training, source: str) -> None:
    """Raises ValueError for an augmentation that is not possible for the source of images."""
    other = "memory" if source == "stream" else "stream"
    if training.needing(other):
        raise ValueError(
            f"{context}: {', '.join(training.needing(other))}: expected a data set with "
            f"`images: {{source: {other}}}`, found {source!r}"
        )


def _check_periods(axis: str, names: Iterable[str]) -> None:
    """Raises ValueError for a name that Snakemake mistakes for an endless recursion of wildcards."""
    for name in names:
        if re.search(r"(.+)\1{19}$", name):
            raise ValueError(
                f"{axis}: {name!r} ends with twenty or more repetitions, which Snakemake refuses; "
                "expected another name"
            )


def _check_published(runs: Iterable[Run]) -> None:
    """Raises ValueError for a run whose performance was not published."""
    known = set(published.scores()[list(RUN_COLUMNS)].itertuples(index=False, name=None))
    for run in runs:
        if astuple(run) not in known:
            raise ValueError(f"scores: 'published', but the paper has no run {run.key}")


def _check_defined(key: str, names: Iterable[str], defined: dict[str, Any]) -> None:
    definitions = f"settings.{key.rpartition('.')[2]}"
    for name in names:
        if name not in defined:
            hint = nearest(name, defined)
            raise ValueError(
                f"{key}: {name!r} is not defined in {definitions}{hint}; defined: {', '.join(defined)}"
            )
