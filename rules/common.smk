"""What the rules share: the validated study, paths and wildcards, and all input functions."""

from dataclasses import asdict
from functools import cache
from pathlib import Path


from tokred import fingerprint
from tokred.models import shipped
from tokred.orchestration import job_runner, provenance
from tokred.artifacts.registry import ARTIFACTS
from tokred.claims import TABLES as CLAIMED_TABLES
from tokred.study import parse as parse_config
from tokred.study.jobs import Network
from tokred.study.study import Study
from tokred.data.layout import check_root
from tokred.data.registry import ADAPTERS
from tokred.explorer.page import assets as page_assets
from tokred.files import visible_files
from tokred.methods.registry import METHODS
from tokred.study.hyperparameters import OWN, PUBLISHED
from tokred.orchestration.rule_code import LOOKS, RuleCode, facts_of_methods, facts_of_metrics
from tokred.study.run import RUN_PATH, UNREDUCED, Run
from tokred.search import plan as search
from tokred.orchestration.snakefile import (
    StudyError,
    explain_errors,
    give_package_to_jobs,
    look_for_jobs_when_one_ends,
)

give_package_to_jobs(workflow.basedir)
with explain_errors():
    STUDY = parse_config(Study, config, f"study {config.get('study', '')}")

VIEW = STUDY.view()
#: The configuration without what says how and where to compute.
CONFIG_OF_RESULTS = {k: v for k, v in config.items() if k not in ("hardware", "environment", "data")}
RESULTS = f"results/{STUDY.study}"
METRICS = f"{RESULTS}/metrics"
LOGS = f"{RESULTS}/logs"
ENVIRONMENT = f"../envs/{STUDY.environment}.yaml"
#: What a comparison job covers: all methods and keep rates of a data set, backbone and seed.
SLICE = "{dataset}/{backbone}/{seed}"
#: What `tokred.comparison` compares along each axis: the slice that a job covers, and the tables it reads.
AXES = {
    "keep_rates": (SLICE, "patterns"),
    "fixed": (SLICE, "patterns"),
    "methods": (SLICE, "patterns"),
    "features": (SLICE, "features"),
    "backbones": ("{dataset}/{seed}", "patterns"),
}
#: Tables of comparisons whose files are not one a `SLICE`.
OTHER_SLICES = {
    "backbones": "{dataset}/{seed}",
    "datasets": "{backbone}/{seed}",
    "pictures": "{dataset}",
}
#: Code behind the rules, see `tokred.orchestration.provenance`.
CODE = RuleCode(provenance.installed(), f"{workflow.basedir}/workflow/scripts")
#: What registries say of the study's methods, for jobs that read it: for figures, and but for their looks.
METHOD_FACTS = facts_of_methods([UNREDUCED, *VIEW.methods])
PLAIN_METHOD_FACTS = facts_of_methods([UNREDUCED, *VIEW.methods], without=LOOKS)
#: Height and width of the backbones' input; grids of tokens are the same for all of them.
IMAGE_SIZE = max(STUDY.settings.backbones[name].image_size for name in STUDY.backbones)
#: Artifacts that the study can have.
STUDY_ARTIFACTS = [name for name, artifact in ARTIFACTS.items() if artifact.obstacle(VIEW) is None]


wildcard_constraints:
    dataset="|".join(STUDY.settings.datasets),
    backbone="|".join(STUDY.settings.backbones),
    method="|".join(METHODS),
    keep_rate=r"[01]\.[0-9][0-9]+",
    seed=r"[0-9]+",
    trial=rf"[0-9.e_-]+|{search.OF_FIRST}|{search.OF_BASELINE}",
    split="train|test",
    figure="|".join(name for name, artifact in ARTIFACTS.items() if artifact.kind == "figure"),
    table="|".join(name for name, artifact in ARTIFACTS.items() if artifact.kind == "table"),


def start_worker():
    """Load torch once for all jobs of this machine; clusters and conda environments go without."""
    if workflow.local_exec and not workflow.deployment_settings.deployment_method:
        job_runner.start()


def run_of(wildcards):
    """The run that a rule's wildcards name; an error where the study has no such run."""
    run = Run.of(wildcards)
    if not VIEW.trained:
        raise StudyError(f"study {STUDY.study!r} trains nothing: its performance is the published one")
    if run not in ALL_RUNS:
        raise StudyError(f"study {STUDY.study!r} has no run {run.key}: see its axes in the configuration")
    return run


ALL_RUNS = set(STUDY.runs())
#: (wildcards, path below a stage's folder) of every run of the study, sorted by run.
RUN_FILES = [
    ({name: str(value) for name, value in asdict(run).items()}, f"{run.key}.parquet")
    for run in sorted(ALL_RUNS)
]


def paths(stage, **selection):
    """A stage's files of all runs of the study in which the named fields have the given values."""
    wanted = {name: str(value) for name, value in selection.items()}.items()
    return [f"{RESULTS}/{stage}/{path}" for fields, path in RUN_FILES if wanted <= fields.items()]


def runs_of_slice(stage):
    """Input function: a stage's files of all runs of the slice that the wildcards name."""
    return lambda wildcards: paths(stage, **dict(wildcards.items()))


def dataset_of(name):
    """Configuration of a data set of the study."""
    return STUDY.settings.datasets[name]


def recipe_of(backbone):
    """How a backbone is pretrained."""
    if STUDY.pretraining is None:
        raise StudyError(f"study {STUDY.study!r} pretrains nothing: it has no key `pretraining`")
    return STUDY.pretraining_for(backbone)


def images_of(name, backbone):
    """How the images of a data set reach a backbone."""
    return STUDY.images_of(dataset_of(name), backbone)


def size_in_memory(name):
    """Height and width that all images of a data set must have, as they are read into memory; None: any."""
    for backbone in STUDY.backbones:
        if images_of(name, backbone).source == "memory":
            return STUDY.settings.backbones[backbone].image_size
    return None


def framing_of(name):
    """What of a data set's images the backbones see: images in memory are of their size, and never cropped."""
    accesses = [images_of(name, backbone) for backbone in STUDY.backbones]
    crops = [access.crop_pct for access in accesses if access.source == "stream"]
    return {"size": IMAGE_SIZE, "crop_pct": crops[0] if crops else None}


def streamed_datasets():
    """Data sets whose images are not of the backbones' size yet."""
    streamed = lambda name: any(images_of(name, backbone).source == "stream" for backbone in STUDY.backbones)
    return [name for name in STUDY.datasets if streamed(name)]


def check_data(wildcards):
    """Input function without files: an error before any job where a table needs a folder that is not there.

    A dry run shows what would be done without the data.
    """
    if workflow.dryrun:
        return []
    options = STUDY.options_of(dataset_of(wildcards.dataset))
    table = f"{RESULTS}/datasets/{wildcards.dataset}/{wildcards.split}.parquet"
    if "root" in options and not Path(table).exists():
        with explain_errors():
            check_root(options["root"])
    return []


def model_of(run):
    """What decides a run's network: its backbone, its method's options, the stages' places."""
    options = STUDY.method(run.method).options.model_dump()
    backbone = STUDY.settings.backbones[run.backbone]
    return Network(backbone=backbone, options=options, locations=STUDY.locations).model_dump(mode="json")


def pretrained_weights(backbone):
    """Files with the weights that a backbone's runs start from, by name of the input.

    None for timm's, and none for those of the package: see `shipped_weights`.
    """
    source = STUDY.settings.backbones[backbone].weights
    if source in ("timm", "shipped"):
        return {}
    return {"pretrained": f"{RESULTS}/pretrained/{backbone}.safetensors" if source == "pretrain" else source}


@cache
def shipped_weights(backbone):
    """Hash of the package's weights that a backbone's runs start from, None where they start from others.

    Where the package lies, and since when, does not matter; an input's path and time would.
    """
    of_package = STUDY.settings.backbones[backbone].weights == "shipped"
    return fingerprint.file(shipped.path(backbone)) if of_package else None


@cache
def training_of(run):
    """Training settings of a run; its inputs and its parameters need them."""
    return STUDY.training_for(run)


def training_inputs(wildcards):
    """Tables and weights of a run; the test split is read only where the study chooses epochs on it.

    A training waits for both splits, so that what is wrong with the data is said before the first one. A test
    split that was prepared anew (`ancient`) is no reason to train again.
    """
    run = run_of(wildcards)
    tables = f"{RESULTS}/datasets/{run.dataset}"
    files = {"train": f"{tables}/train.parquet", **pretrained_weights(run.backbone)}
    files["prepared"] = ancient(f"{tables}/test.parquet")
    if training_of(run).selection == "test":
        files["test"] = f"{tables}/test.parquet"
    return files


def settings_file():
    """The file with hyperparameters that the study's settings come from, if any."""
    return [] if STUDY.hyperparameters in (OWN, PUBLISHED) else [STUDY.hyperparameters]


def artifact_files(names):
    """All files of some artifacts."""
    chosen = [ARTIFACTS[name] for name in names]
    return [f"{RESULTS}/{a.kind}s/{a.name}.{suffix}" for a in chosen for suffix in a.formats]


def table_files(table):
    """Files of all slices of a table."""
    if table == "scores" and not VIEW.trained:
        return [f"{RESULTS}/published.parquet"]
    if table == "scores":
        return paths("scores")
    if table in ("settings", "grid", "reference"):
        return [f"{METRICS}/{table}.parquet"]
    pattern = f"{METRICS}/{table}/{OTHER_SLICES.get(table, SLICE)}.parquet"
    datasets = VIEW.masked if table == "object_recall" else STUDY.datasets
    return sorted(set(expand(pattern, dataset=datasets, backbone=STUDY.backbones, seed=STUDY.seeds)))


def labels_of(name):
    """How the report lists an artifact; the report sorts by text, and one space more puts 6 before 14."""
    kind, _, number = ARTIFACTS[name].label.partition(" ")
    padding = " " * (3 - len(number.rstrip("abc"))) if number else ""
    return {"artifact": f"{kind}{padding}{number}", "shows": ARTIFACTS[name].title}


def what_is_drawn(kind):
    """Parameters for drawing figures and making tables, besides the tables themselves."""
    entry = lambda wildcards: ARTIFACTS[wildcards[kind]]
    return {
        "name": lambda w: entry(w).name,
        "caption": lambda w: entry(w).caption_for(VIEW),
        "artifact": lambda w: provenance.facts(entry(w)),
        "view": asdict(VIEW),
        "methods": METHOD_FACTS,
        "metrics": lambda w: facts_of_metrics(entry(w).needs),
        "code": lambda w: CODE.render(entry(w).name),
    }


def adapters_of_study():
    """Names of the adapters of the study's data sets."""
    return sorted({dataset_of(name).adapter for name in STUDY.datasets})


def scores_of_study(name):
    """Files of performance of another study; an error where there are none."""
    if name in (None, "published"):
        return []
    folder = Path(f"results/{name}/scores")
    with explain_errors():
        found = list(map(str, visible_files(folder, ".parquet"))) if folder.is_dir() else []
    if not found:
        raise StudyError(f"compare_with: study {name!r} has no performance under results/{name}/scores")
    return found


def claimed_tables():
    """The files of each table that claims need, of those that the study has."""
    names = CLAIMED_TABLES if VIEW.trained else ["scores"]
    return {table: table_files(table) for table in names}


def pages():
    """The explorer, for studies with patterns to show."""
    return [f"{RESULTS}/explorer.html"] if VIEW.trained else []


def all_tables():
    """The tables that the study's performance, artifacts and claims come from, and the histories."""
    needed = {table for name in STUDY_ARTIFACTS for table in ARTIFACTS[name].needs} | {*claimed_tables()}
    trained = paths("history") if VIEW.trained else []
    return [*trained, *(file for table in sorted(needed) for file in table_files(table))]


def explorer_inputs(wildcards):
    """What the explorer shows: patterns, predictions and depth of the first seed, scores of all."""
    first = STUDY.seeds[0]
    axes = {"dataset": STUDY.datasets, "backbone": STUDY.backbones, "seed": [first]}
    return {
        "datasets": [f"{RESULTS}/datasets/{name}/test.parquet" for name in STUDY.datasets],
        "patterns": paths("patterns", seed=first),
        "predictions": paths("predictions", seed=first),
        "scores": paths("scores"),
        "depth": expand(f"{METRICS}/depth/{SLICE}.parquet", **axes),
    }


def tables_of(name):
    """The files of each table that an artifact needs; an error where the study cannot have it."""
    obstacle = ARTIFACTS[name].obstacle(VIEW)
    if obstacle is not None:
        raise StudyError(obstacle)
    return {table: table_files(table) for table in ARTIFACTS[name].needs}


# Said here and not when its files are needed: an error of an input function comes with more than the message.
scores_of_study(STUDY.compare_with)
