"""What jobs ask a cluster for, growing with every attempt; a local run is limited by `gpus` alone."""

from tokred.orchestration import resources
from tokred.orchestration.snakefile import StudyError


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


def asked(load):
    """Memory and time of jobs.

    Args:
        load: the work of a job, from its wildcards, its inputs and `gpus`.
    """
    return {
        "mem_mb": lambda wildcards, input, attempt: load(wildcards, input, gpus).memory(attempt),
        "runtime": lambda wildcards, input, attempt: load(wildcards, input, gpus).minutes(attempt),
    }


def asked_for_training(load):
    """What a training asks for.

    On several nodes SLURM starts the job on the first, without srun (`mpi`); it starts its parts itself, one task a
    node, through `hardware.launcher`. GPUs are then asked for by node (`gres`), as their sum may lie anyhow.
    """
    hardware = STUDY.hardware
    fixed = {"gpus": lambda wildcards: gpus(hardware.processes * hardware.nodes), "nodes": hardware.nodes}
    limit = workflow.global_resources.get("nodes").value  # None where there is none
    if limit is not None and limit < hardware.nodes:
        raise StudyError(
            f"hardware.nodes: {hardware.nodes}, but `--resources nodes={limit}` lets a job have fewer: give "
            f"--resources short_jobs=4 nodes={hardware.nodes}"
        )
    if hardware.nodes == 1:
        return {**fixed, "gpu": fixed["gpus"], **asked(load)}
    gres = lambda wildcards: f"gpu:{hardware.processes}" if gpus(hardware.processes) else ""
    several = {"gres": gres, "tasks": hardware.nodes, "tasks_per_gpu": 0, "mpi": "srun"}
    return {**fixed, **several, **asked(load)}


#: Of jobs that read tables.
SHORT = {
    "short_jobs": 1,
    **asked(lambda wildcards, input, gpus: resources.Reading(resources.megabytes(input))),
}
