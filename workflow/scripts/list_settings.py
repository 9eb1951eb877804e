"""List the training settings of all runs, and the grid of their search."""

from tokred.worker import run_job

run_job(
    "tokred.config.listing:write",
    {
        "config": snakemake.params.config,
        "code": snakemake.params.code,
        "outputs": dict(snakemake.output.items()),
    },
    log=snakemake.log[0],
    threads=snakemake.threads,
)
