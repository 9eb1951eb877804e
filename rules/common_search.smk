"""What the rules of the search share: its trials, their paths, and their input functions."""

from functools import cache

from tokred.study.search import SEARCHED

SEARCH = f"{RESULTS}/search"
#: Path of a model whose settings are searched, and of a trial of it.
CELL = "{dataset}/{backbone}/{method}/{keep_rate}"
TRIAL = f"{CELL}/{{trial}}"


@cache
def trials():
    """The trials of the study's search, by model; an error where it has no search, or cannot make it.

    Checked only here: whoever runs a part of a study shall not have to fit its search to the part.
    """
    if STUDY.search is None:
        raise StudyError(f"study {STUDY.study!r} has no key `search`: see docs/search.md")
    with explain_errors():
        search.check(STUDY)
    return search.plan(STUDY)


def cell_of(wildcards):
    """The model of the study's search that a rule's wildcards name; an error where it has no such model."""
    cell = search.Cell(wildcards.dataset, wildcards.method, wildcards.keep_rate)
    if cell not in trials() or wildcards.backbone != search.backbone(STUDY):
        raise StudyError(f"the search of study {STUDY.study!r} has no model {'/'.join(map(str, wildcards))}")
    return cell


def setting_of_trial(wildcards):
    """The setting that a trial tries; None where another model's trials decide it."""
    options = trials()[cell_of(wildcards)]
    if wildcards.trial not in options:
        raise StudyError(f"the search of study {STUDY.study!r} has no trial {'/'.join(map(str, wildcards))}")
    found = options[wildcards.trial]
    return None if isinstance(found, search.Cell) else found


def file_of_cell(cell, pattern, **more):
    """A file of a model of the search."""
    return pattern.format(**asdict(cell), backbone=search.backbone(STUDY), **more)


def trial_files(cell):
    """Histories of all trials of a model."""
    pattern = f"{SEARCH}/history/{TRIAL}.parquet"
    return [file_of_cell(cell, pattern, trial=name) for name in trials()[cell]]


def trial_inputs(wildcards):
    """Tables and weights of a trial, and the setting that it takes from another model."""
    cell = cell_of(wildcards)
    tables = f"{RESULTS}/datasets/{cell.dataset}"
    files = {"train": f"{tables}/train.parquet", **pretrained_weights(wildcards.backbone)}
    if STUDY.search.select_on == "test":
        files["test"] = f"{tables}/test.parquet"
    if setting_of_trial(wildcards) is None:
        files["chosen"] = file_of_cell(trials()[cell][wildcards.trial], f"{SEARCH}/chosen/{CELL}.json")
    return files


def trial_load(wildcards, input):
    """The work of one trial."""
    cell = cell_of(wildcards)
    training = search.training(STUDY, cell)
    return load_of(search.run_in_study(STUDY, cell), input.train, training.epochs, training.batch_size)


def trial_memory(wildcards, input, attempt):
    return trial_load(wildcards, input).memory(attempt)


def trial_minutes(wildcards, input, attempt):
    return trial_load(wildcards, input).minutes(attempt)
