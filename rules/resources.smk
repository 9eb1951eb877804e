"""Resources that jobs request from a cluster, more with every attempt; in a local run only `gpus` limits jobs."""

from tokred.orchestration import resources
from tokred.orchestration.snakefile import StudyError


def on_cluster():
    """Whether jobs run on a cluster, as seen by the main Snakemake process and by the one that runs a job there."""
    return workflow.non_local_exec or workflow.remote_exec


def all_cores(wildcards):
    """All cores, so that no other job runs beside; on a cluster, those that other jobs with networks get."""
    return 1 + STUDY.hardware.workers if on_cluster() else workflow.resource_settings.cores or 1


def shared(group):
    """Input function of `group:`, for jobs that share one cluster job.

    A dry run has no groups: they double its time.
    """
    return lambda wildcards: group if on_cluster() else None


def gpus(processes):
    """Number of GPUs of a job: `--resources gpus=N` limits the sum in a local run, clusters allocate `gpu`.

    With `device: auto`, a job requests a GPU from a cluster only in the GPU environment. A dry run, which does not
    depend on the executor, shows the request for a cluster.
    """
    device = STUDY.hardware.device
    no_request = STUDY.environment == "cpu" and (on_cluster() or workflow.dryrun)
    return 0 if device == "cpu" or (device == "auto" and no_request) else processes


def requested(estimate):
    """Memory and time that jobs request.

    Args:
        estimate: function of a job's wildcards, inputs and `gpus` that returns its `ResourceEstimate`.
    """
    return {
        "mem_mb": lambda wildcards, input, attempt: estimate(wildcards, input, gpus).memory(attempt),
        "runtime": lambda wildcards, input, attempt: estimate(wildcards, input, gpus).minutes(attempt),
    }


def requested_by_training(estimate):
    """Resources that a training requests.

    With several nodes, SLURM starts the job on the first one, without srun (`mpi`). The job itself starts one task
    per node through `hardware.launcher`. GPUs are then requested per node (`gres`), as SLURM could distribute a total
    number unevenly.
    """
    hardware = STUDY.hardware
    fixed = {"gpus": lambda wildcards: gpus(hardware.processes * hardware.nodes), "nodes": hardware.nodes}
    limit = workflow.global_resources.get("nodes").value  # None without a limit
    if limit is not None and limit < hardware.nodes:
        raise StudyError(
            f"hardware.nodes: {hardware.nodes}, but `--resources nodes={limit}` allows fewer: pass "
            f"--resources short_jobs=4 nodes={hardware.nodes}"
        )
    if hardware.nodes == 1:
        return {**fixed, "gpu": fixed["gpus"], **requested(estimate)}
    gres = lambda wildcards: f"gpu:{hardware.processes}" if gpus(hardware.processes) else ""
    several = {"gres": gres, "tasks": hardware.nodes, "tasks_per_gpu": 0, "mpi": "srun"}
    return {**fixed, **several, **requested(estimate)}


#: Resources of jobs that read tables.
SHORT = {
    "short_jobs": 1,
    **requested(lambda wildcards, input, gpus: resources.ReadingEstimate(resources.megabytes(input))),
}
