"""What jobs ask a cluster for, growing with every attempt; a local run is limited by `gpus` alone."""

from tokred.orchestration import resources


def on_cluster():
    """Whether jobs run on a cluster: to Snakemake, and to the Snakemake that starts a job there."""
    return workflow.non_local_exec or workflow.remote_exec


def shared(group):
    """The group of jobs that share a cluster's job; none in a dry run, which takes twice as long with groups."""
    return lambda wildcards: group if on_cluster() else None


def gpus(processes):
    """GPUs that a job takes: `--resources gpus=N` limits them in a local run, clusters grant `gpu`.

    A study that uses a GPU where there is one (`device: auto`) asks a cluster for it in the GPU environment. A dry
    run, to which all executors are the same, says what a cluster would be asked for.
    """
    device = STUDY.hardware.device
    asks_nothing = STUDY.environment == "cpu" and (on_cluster() or workflow.dryrun)
    return 0 if device == "cpu" or (device == "auto" and asks_nothing) else processes


def resources_of_training():
    """What a training asks for besides memory and time.

    On several nodes SLURM starts the job on the first, without srun (`mpi`); it starts its parts itself, one task a
    node, through `hardware.launcher`. GPUs are then asked for by node (`gres`), as their sum may lie anyhow.
    """
    hardware = STUDY.hardware
    asked = {"gpus": lambda wildcards: gpus(hardware.processes * hardware.nodes), "nodes": hardware.nodes}
    limit = workflow.global_resources.get("nodes").value  # None where there is none
    if limit is not None and limit < hardware.nodes:
        raise StudyError(
            f"hardware.nodes: {hardware.nodes}, but `--resources nodes={limit}` lets a job have fewer: give "
            f"--resources short_jobs=4 nodes={hardware.nodes}"
        )
    if hardware.nodes == 1:
        return {**asked, "gpu": asked["gpus"]}
    gres = lambda wildcards: f"gpu:{hardware.processes}" if gpus(hardware.processes) else ""
    return {**asked, "gres": gres, "tasks": hardware.nodes, "tasks_per_gpu": 0, "mpi": "srun"}


def load_of(run, table, epochs, batch_size, hardware=STUDY.hardware):
    """The work of a job that passes the images of a table through the network of a run."""
    return resources.Load(
        images=resources.rows(table),
        epochs=epochs,
        batch_size=batch_size,
        backbone=STUDY.settings.backbones[run.backbone],
        streamed=images_of(run.dataset, run.backbone).source == "stream",
        hardware=hardware,
        gpus=gpus(hardware.processes * hardware.nodes),
    )


def training_load(wildcards, input):
    """The work of one training."""
    run = run_of(wildcards)
    training = STUDY.training_for(run)
    return load_of(run, input.train, training.epochs, training.batch_size)


def pretraining_load(wildcards):
    """The work of training a backbone from scratch, in one process, on pictures that are drawn as they are needed."""
    recipe = recipe_of(wildcards.backbone)
    return resources.Load(
        images=recipe.steps * recipe.batch_size,
        epochs=1,
        batch_size=recipe.batch_size,
        backbone=STUDY.settings.backbones[wildcards.backbone],
        streamed=True,
        hardware=STUDY.hardware.model_copy(update={"processes": 1, "nodes": 1}),
        gpus=gpus(1),
    )


def extraction_load(wildcards, input):
    """The work of one pass over the test split, in one process."""
    alone = STUDY.hardware.model_copy(update={"processes": 1, "nodes": 1})
    return load_of(run_of(wildcards), input.test, 1, STUDY.evaluation_batch_size, alone)


def training_memory(wildcards, input, attempt):
    return training_load(wildcards, input).memory(attempt)


def training_minutes(wildcards, input, attempt):
    return training_load(wildcards, input).minutes(attempt)


def pretraining_memory(wildcards, attempt):
    return pretraining_load(wildcards).memory(attempt)


def pretraining_minutes(wildcards, attempt):
    return pretraining_load(wildcards).minutes(attempt)


def extraction_memory(wildcards, input, attempt):
    return extraction_load(wildcards, input).memory(attempt)


def extraction_minutes(wildcards, input, attempt):
    return extraction_load(wildcards, input).minutes(attempt)


def preparation_memory(wildcards, threads, attempt):
    return attempt * (2000 + 500 * threads)


def preparation_minutes(wildcards, attempt):
    return attempt * (480 if "root" in STUDY.options_of(dataset_of(wildcards.dataset)) else 30)


def memory_by_input(wildcards, input, attempt):
    return resources.memory_by_input(resources.megabytes(input), attempt)


def minutes_by_input(wildcards, input, attempt):
    return resources.minutes_by_input(resources.megabytes(input), attempt)
