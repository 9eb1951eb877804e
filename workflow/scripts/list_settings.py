"""List the training settings of all runs, and the grid of their search."""

from tokred.orchestration.job_runner import run_job

run_job(
    "tokred.comparison.settings:write",
    {
        "config": snakemake.params.config,
        "code": snakemake.params.code,
        "outputs": dict(snakemake.output.items()),
    },
    log=snakemake.log[0],
    threads=snakemake.threads,
)
