"""What the workflow does for a study: paths, inputs and parameters of its jobs.

Wildcards are mappings from names to text, as Snakemake's are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokred import fingerprint
from tokred.artifacts.registry import ARTIFACTS
from tokred.claims import TABLES as CLAIMED
from tokred.data.layout import check_root
from tokred.files import visible_files
from tokred.methods.registry import METHODS
from tokred.models import shipped
from tokred.orchestration.provenance import facts, installed
from tokred.orchestration.resources import PreparationEstimate, ResourceEstimate, rows
from tokred.orchestration.rule_code import LOOKS, RuleCode, facts_of_methods, facts_of_metrics
from tokred.orchestration.snakefile import StudyError, explain_errors
from tokred.run import UNREDUCED, Run
from tokred.settings.images import ImageAccess
from tokred.settings.jobs import Network
from tokred.settings.pretraining import Recipe
from tokred.settings.training import Training
from tokred.study.hyperparameters import OWN, PUBLISHED
from tokred.study.parts import Dataset
from tokred.study.study import Study
from tokred.tables.registry import HYPERPARAMETERS, OTHER_STUDY, TABLES, TEST_IMAGES, ResultTable

if TYPE_CHECKING:
    from tokred.data.resize import Framing

Wildcards = Mapping[str, str]
#: Paths of a job's inputs: a file, or a list of files, by name.
Inputs = dict[str, str | list[str]]
#: Says how many GPUs a job with some processes asks for.
Gpus = Callable[[int], int]
#: Fields of a study that change how and where it computes, but no result.
_NO_RESULTS = {"hardware", "environment", "data"}


class Plan:
    """The jobs of a study.

    Attributes:
        study: the validated configuration.
        view: what figures know of it.
        view_values: the view as plain values.
        results: folder of its results, below the working directory.
        logs: folder of its logs.
        config: the configuration as plain values, without fields that change no result.
        code: fingerprints of the code behind the rules.
        artifacts: names of the figures and tables that the study can have.
        image_size: height and width of the backbones' input.
    """

    def __init__(self, study: Study) -> None:
        self.study, self.view = study, study.view()
        self.view_values = asdict(self.view)
        self.results = f"results/{study.study}"
        self.logs = f"{self.results}/logs"
        self.config = study.model_dump(mode="json", exclude_unset=True, exclude=_NO_RESULTS)
        self.code = RuleCode(installed())
        self.artifacts = [
            name for name, entry in ARTIFACTS.items() if entry.unavailable_reason(self.view) is None
        ]
        self.image_size = max(study.settings.backbones[name].image_size for name in study.backbones)
        self._runs = sorted(study.runs())
        self._known_runs = set(self._runs)
        self.training_of = cache(self._training_of)

    @cached_property
    def wildcard_constraints(self) -> dict[str, str]:
        """Regular expression of each wildcard."""
        kinds = {kind: [a.name for a in ARTIFACTS.values() if a.kind == kind] for kind in ("figure", "table")}
        names: dict[str, Iterable[str]] = {
            "dataset": self.study.settings.datasets,
            "backbone": self.study.settings.backbones,
            "method": METHODS,
            "split": ("train", "test"),
            **kinds,
        }
        return {name: "|".join(values) for name, values in names.items()} | {
            "keep_rate": r"[01]\.[0-9][0-9]+",
            "seed": r"[0-9]+",
        }

    def run_of(self, wildcards: Wildcards) -> Run:
        """The run that wildcards name; StudyError where the study has no such run."""
        run = Run.of(wildcards)
        if not self.view.trained:
            raise StudyError(
                f"study {self.study.study!r} trains nothing: its performance is the published one"
            )
        if run not in self._known_runs:
            raise StudyError(
                f"study {self.study.study!r} has no run {run.key}: see its axes in the configuration"
            )
        return run

    # Data sets

    def dataset_of(self, name: str) -> Dataset:
        """Configuration of a data set of the study."""
        return self.study.settings.datasets[name]

    def recipe_of(self, backbone: str) -> Recipe:
        """How a backbone is pretrained; StudyError where the study pretrains none."""
        if self.study.pretraining is None:
            raise StudyError(f"study {self.study.study!r} pretrains nothing: it has no key `pretraining`")
        return self.study.pretraining_for(backbone)

    def images_of(self, dataset: str, backbone: str) -> ImageAccess:
        """How the images of a data set reach a backbone."""
        return self.study.images_of(self.dataset_of(dataset), backbone)

    def image_table(self, dataset: str, split: str) -> str:
        """Path of a split of a data set."""
        return f"{self.results}/datasets/{dataset}/{split}.parquet"

    def check_data(self, wildcards: Wildcards) -> list[str]:
        """Input function without files: StudyError where a table needs a folder that is not there."""
        options = self.study.options_of(self.dataset_of(wildcards["dataset"]))
        table = self.image_table(wildcards["dataset"], wildcards["split"])
        if "root" in options and not Path(table).exists():
            with explain_errors():
                check_root(options["root"])
        return []

    def framing_of(self, dataset: str) -> Framing:
        """The part of an image that backbones see: "size" in pixels, and "crop_pct".

        Images in memory have the backbones' size, and are never cropped.
        """
        accesses = [self.images_of(dataset, backbone) for backbone in self.study.backbones]
        crops = [access.crop_pct for access in accesses if access.source == "stream"]
        return {"size": self.image_size, "crop_pct": crops[0] if crops else None}

    def framings(self) -> dict[str, Framing]:
        """`framing_of` the data sets with images of other sizes than the backbones'."""
        names, backbones = self.study.datasets, self.study.backbones
        streamed = [n for n in names if any(self.images_of(n, b).source == "stream" for b in backbones)]
        return {name: self.framing_of(name) for name in streamed}

    def preparation(self, wildcards: Wildcards) -> dict[str, Any]:
        """Arguments of `tokred.data.prepare.prepare`, but for its output."""
        name = wildcards["dataset"]
        dataset = self.dataset_of(name)
        return {
            "adapter": dataset.adapter,
            "name": name,
            "split": wildcards["split"],
            "options": self.study.options_of(dataset),
            "code": self.code.prepare(dataset.adapter),
            "for_training": True,
            "size": self._size_in_memory(name),
        }

    def _size_in_memory(self, dataset: str) -> int | None:
        """Height and width that all images must have, as they are read into memory; None: any."""
        for backbone in self.study.backbones:
            if self.images_of(dataset, backbone).source == "memory":
                return self.study.settings.backbones[backbone].image_size
        return None

    # Models

    def model_of(self, run: Run) -> dict[str, Any]:
        """What decides a run's network: its backbone, its method's options, the stages' blocks."""
        options = self.study.method(run.method).options.model_dump()
        backbone = self.study.settings.backbones[run.backbone]
        network = Network(backbone=backbone, options=options, locations=self.study.locations)
        return network.model_dump(mode="json")

    def pretrained_weights(self, backbone: str) -> dict[str, str]:
        """File with the weights that a backbone's runs start from, as the input "pretrained".

        Empty for timm's weights, and for those of the package: see `shipped_weights`.
        """
        source = self.study.settings.backbones[backbone].weights
        if source in ("timm", "shipped"):
            return {}
        made = f"{self.results}/pretrained/{backbone}.safetensors"
        return {"pretrained": made if source == "pretrain" else source}

    def shipped_weights(self, backbone: str) -> dict[str, tuple[str, str]]:
        """The package's weights that a backbone's runs start from; empty for others.

        They are a parameter and no input: neither the package's folder nor the file's age matters.

        Returns:
            As the argument "pretrained": the file's path below the package, and its hash.
        """
        if self.study.settings.backbones[backbone].weights != "shipped":
            return {}
        file = shipped.path(backbone)
        return {"pretrained": (file.relative_to(installed().root).as_posix(), _hash_of(file))}

    def _training_of(self, run: Run) -> Training:
        """Training settings of a run; inputs and parameters need them (`training_of` keeps them)."""
        return self.study.training_for(run)

    def training_inputs(self, wildcards: Wildcards) -> Inputs:
        """Tables and weights of a run; the test split only where the study chooses epochs on it."""
        run = self.run_of(wildcards)
        files: Inputs = {"train": self.image_table(run.dataset, "train")}
        files |= self.pretrained_weights(run.backbone)
        if self.training_of(run).selection == "test":
            files["test"] = self.image_table(run.dataset, "test")
        return files

    def training(self, wildcards: Wildcards) -> dict[str, Any]:
        """Values of a `TrainJob`, but for files and hardware."""
        run = self.run_of(wildcards)
        return {
            "run": asdict(run),
            "model": self.model_of(run),
            "training": self.training_of(run).model_dump(),
            "images": self.images_of(run.dataset, run.backbone).model_dump(),
            "code": self.code.run("train", run.method),
            "keep_head": self.study.keeps_head(run),
        }

    def pretraining(self, wildcards: Wildcards) -> dict[str, Any]:
        """Values of a `PretrainJob`, but for files and hardware."""
        backbone = wildcards["backbone"]
        run = self.study.pretraining_run(backbone)
        return {
            "run": asdict(run),
            "model": self.model_of(run),
            "recipe": self.recipe_of(backbone).model_dump(),
            "code": self.code.run("pretrain", UNREDUCED),
        }

    def extraction(self, wildcards: Wildcards) -> dict[str, Any]:
        """Values of an `ExtractJob`, but for files and hardware."""
        run = self.run_of(wildcards)
        return {
            "run": asdict(run),
            "model": self.model_of(run),
            "images": self.images_of(run.dataset, run.backbone).model_dump(),
            "batch_size": self.study.evaluation_batch_size,
            "precision": self.study.evaluation_precision,
            "code": self.code.run("extract", run.method),
        }

    # Registries' facts, for jobs that read them: among the parameters, as they are no code

    @cached_property
    def method_facts(self) -> dict[str, dict[str, object]]:
        """What the registry says of the study's methods."""
        return facts_of_methods([UNREDUCED, *self.view.methods])

    @cached_property
    def plain_method_facts(self) -> dict[str, dict[str, object]]:
        """`method_facts` without what only figures and tables show."""
        return facts_of_methods([UNREDUCED, *self.view.methods], without=LOOKS)

    # Result tables

    def files(self, table: str, **selection: str) -> list[str]:
        """Files of a result table, sorted.

        Args:
            table: its name in the registry.
            selection: values of wildcards; those that a file of the table has must be equal.
        """
        entry = TABLES[table]
        if not self.view.trained:
            entry = next((other for other in TABLES.values() if other.instead_of == table), entry)
        pattern = f"{self.results}/{entry.path}.parquet"
        if entry.of_runs:
            chosen = [
                run for run in self._runs if all(str(getattr(run, k)) == v for k, v in selection.items())
            ]
            return [pattern.format(**asdict(run)) for run in chosen]
        axes: dict[str, Sequence[object]] = {
            "dataset": self.view.masked if entry.masked else self.study.datasets,
            "backbone": self.study.backbones,
            "seed": self.study.seeds,
        }
        axes |= {name: [value] for name, value in selection.items() if name in axes}
        return sorted({pattern.format(**dict(zip(axes, at, strict=True))) for at in product(*axes.values())})

    def table_jobs(self) -> list[TableJob]:
        """The jobs that make result tables, a rule each."""
        made: dict[str, list[ResultTable]] = {}
        for table in TABLES.values():
            if table.target:
                made.setdefault(table.rule, []).append(table)
        return [TableJob(self, rule, tuple(tables)) for rule, tables in made.items()]

    def input_files(self, name: str, wildcards: Wildcards) -> list[str]:
        """Files of one input of a result table."""
        if name == TEST_IMAGES:
            datasets = [wildcards["dataset"]] if "dataset" in wildcards.keys() else self.study.datasets  # noqa: SIM118
            return [self.image_table(dataset, "test") for dataset in datasets]
        if name == OTHER_STUDY:
            return self.scores_to_compare_with()
        if name == HYPERPARAMETERS:
            source = self.study.hyperparameters
            return [] if source in (OWN, PUBLISHED) else [source]
        return self.files(name, **dict(wildcards.items()))

    def scores_to_compare_with(self) -> list[str]:
        """Files of performance of the study that this one is compared with; StudyError where it has none."""
        name = self.study.compare_with
        if name in (None, "published"):
            return []
        folder = Path(f"results/{name}/scores")
        with explain_errors():
            found = list(map(str, visible_files(folder, ".parquet"))) if folder.is_dir() else []
        if not found:
            raise StudyError(f"compare_with: study {name!r} has no performance under results/{name}/scores")
        return found

    # Figures and tables, claims, pages

    def artifact_files(self, names: Iterable[str] | None = None) -> list[str]:
        """All files of some artifacts; by default of all that the study can have."""
        chosen = [ARTIFACTS[name] for name in (self.artifacts if names is None else names)]
        return [f"{self.results}/{a.kind}s/{a.name}.{suffix}" for a in chosen for suffix in a.formats]

    def artifact_inputs(self, name: str) -> Inputs:
        """Files of each table that an artifact needs; StudyError where the study cannot have it."""
        reason = ARTIFACTS[name].unavailable_reason(self.view)
        if reason is not None:
            raise StudyError(reason)
        return {table: self.files(table) for table in ARTIFACTS[name].needs}

    def drawing(self, name: str) -> dict[str, Any]:
        """Arguments of `tokred.artifacts.render.render_files`, but for its files."""
        return {"name": name, "view": self.view_values}

    def report_category(self, name: str) -> str:
        """Where the report lists an artifact."""
        return ARTIFACTS[name].topic

    def report_labels(self, name: str) -> dict[str, str]:
        """How the report lists an artifact; it sorts by text, and one space more puts 6 before 14."""
        kind, _, number = ARTIFACTS[name].label.partition(" ")
        padding = " " * (3 - len(number.rstrip("abc"))) if number else ""
        return {"artifact": f"{kind}{padding}{number}", "shows": ARTIFACTS[name].title}

    def drawn(self, name: str) -> dict[str, Any]:
        """What registries and code decide of an artifact."""
        entry = ARTIFACTS[name]
        return {
            "artifact": facts(entry),
            "caption": entry.caption_for(self.view),
            "methods": self.method_facts,
            "metrics": facts_of_metrics(entry.needs),
            "code": self.code.render(name),
        }

    def claimed_tables(self) -> Inputs:
        """Files of each table that claims need, of those that the study has."""
        names = [name for name in CLAIMED if self.view.trained or TABLES[name].untrained]
        return {name: self.files(name) for name in names}

    def decided(self) -> dict[str, Any]:
        """What registries and code decide of the verdicts on claims."""
        metrics = facts_of_metrics(CLAIMED)
        return {"methods": self.method_facts, "metrics": metrics, "code": self.code.claims()}

    def pages(self) -> list[str]:
        """The explorer, for studies with patterns to show."""
        return [f"{self.results}/explorer.html"] if self.view.trained else []

    def all_tables(self) -> list[str]:
        """The tables that performance, artifacts and claims come from, and the histories of trainings."""
        needed = {table for name in self.artifacts for table in ARTIFACTS[name].needs} | {
            *self.claimed_tables()
        }
        trained = ["history"] if self.view.trained else []
        return [file for table in [*trained, *sorted(needed)] for file in self.files(table)]

    def explorer_inputs(self) -> Inputs:
        """What the explorer shows: patterns, predictions and depth of the first seed, scores of all."""
        first = {"seed": str(self.study.seeds[0])}
        return {
            "datasets": [self.image_table(name, "test") for name in self.study.datasets],
            "patterns": self.files("patterns", **first),
            "predictions": self.files("predictions", **first),
            "scores": self.files("scores"),
            "depth": self.files("depth", **first),
        }

    def code_of_scale(self) -> str:
        """Fingerprint of the code that estimates the study's cost."""
        adapters = sorted({self.dataset_of(name).adapter for name in self.study.datasets})
        return self.code.scale([UNREDUCED, *self.view.methods], adapters)

    # Resources

    def training_estimate(
        self, wildcards: Wildcards, inputs: Mapping[str, Any], gpus: Gpus
    ) -> ResourceEstimate:
        """Resources of a training."""
        run = self.run_of(wildcards)
        training = self.training_of(run)
        return self.estimate_of(run, inputs["train"], training.epochs, training.batch_size, gpus)

    def pretraining_estimate(
        self, wildcards: Wildcards, inputs: Mapping[str, Any], gpus: Gpus
    ) -> ResourceEstimate:
        """Resources of training a backbone from scratch: one process, and images generated on demand."""
        recipe = self.recipe_of(wildcards["backbone"])
        return ResourceEstimate(
            images=recipe.steps * recipe.batch_size,
            epochs=1,
            batch_size=recipe.batch_size,
            backbone=self.study.settings.backbones[wildcards["backbone"]],
            streamed=True,
            hardware=self.study.hardware.model_copy(update={"processes": 1, "nodes": 1}),
            gpus=gpus(1),
        )

    def extraction_estimate(
        self, wildcards: Wildcards, inputs: Mapping[str, Any], gpus: Gpus
    ) -> ResourceEstimate:
        """Resources of one pass over the test split, in one process."""
        run, batch_size = self.run_of(wildcards), self.study.evaluation_batch_size
        return self.estimate_of(run, inputs["test"], 1, batch_size, gpus, alone=True)

    def estimate_of(
        self, run: Run, table: str, epochs: int, batch_size: int, gpus: Gpus, *, alone: bool = False
    ) -> ResourceEstimate:
        """Resources of a job that passes the images of a table through the network of a run.

        Args:
            alone: whether it has one process, whatever the study's hardware is.
        """
        hardware = self.study.hardware
        if alone:
            hardware = hardware.model_copy(update={"processes": 1, "nodes": 1})
        return ResourceEstimate(
            images=rows(table),
            epochs=epochs,
            batch_size=batch_size,
            backbone=self.study.settings.backbones[run.backbone],
            streamed=self.images_of(run.dataset, run.backbone).source == "stream",
            hardware=hardware,
            gpus=gpus(hardware.processes * hardware.nodes),
        )

    def preparation_estimate(self, wildcards: Wildcards, threads: int) -> PreparationEstimate:
        """Resources of preparing a split of a data set."""
        return PreparationEstimate(self.reads_files(wildcards), threads)

    def reads_files(self, wildcards: Wildcards) -> bool:
        """Whether the images of a data set are files of the user; otherwise they are generated."""
        return "root" in self.study.options_of(self.dataset_of(wildcards["dataset"]))


@dataclass(frozen=True)
class TableJob:
    """The job of a rule that makes result tables.

    Attributes:
        plan: of the study.
        rule: its name.
        tables: what one call of the function makes; they have the same slice and inputs.
    """

    plan: Plan
    rule: str
    tables: tuple[ResultTable, ...]

    @property
    def outputs(self) -> dict[str, str]:
        """Path with wildcards of each table."""
        return {table.name: f"{self.plan.results}/{table.path}.parquet" for table in self.tables}

    @property
    def log(self) -> str:
        """Path with wildcards of the log."""
        return f"{self.plan.logs}/{'/'.join(filter(None, [self.rule, self.tables[0].slice]))}.log"

    def inputs(self, wildcards: Wildcards) -> Inputs:
        """Files of each input, of those that there are."""
        found = {name: self.plan.input_files(name, wildcards) for name in self.tables[0].inputs}
        return {name: files for name, files in found.items() if files}

    def arguments(self, wildcards: Wildcards) -> dict[str, Any]:
        """Arguments of `tokred.comparison.job.make`, but for its files."""
        table = self.tables[0]
        of_study = {name: FACTS[name](self.plan, wildcards) for name in table.of_study}
        return {
            "target": table.target,
            "arguments": {**table.arguments, **of_study},
            "code": self.plan.code.make(self.rule),
        }

    def facts(self) -> dict[str, Any]:
        """What registries say of the methods and metrics of the tables."""
        of_runs = any(TABLES[name].of_runs for name in self.tables[0].inputs if name in TABLES)
        return {
            "methods": self.plan.plain_method_facts if of_runs else {},
            "metrics": facts_of_metrics([self.tables[0].name], without=LOOKS),
        }


#: What a comparison may be told of the study (`ResultTable.of_study`).
FACTS: dict[str, Callable[[Plan, Wildcards], object]] = {
    "dataset": lambda plan, wildcards: wildcards["dataset"],
    "size": lambda plan, wildcards: plan.framing_of(wildcards["dataset"])["size"],
    "crop_pct": lambda plan, wildcards: plan.framing_of(wildcards["dataset"])["crop_pct"],
    "grid": lambda plan, wildcards: plan.view.grid,
    "compare_with": lambda plan, wildcards: plan.study.compare_with,
    "config": lambda plan, wildcards: plan.config,
}


@cache
def _hash_of(file: Path) -> str:
    return fingerprint.file(file)
