"""Prepare one split of a data set."""

from tokred.orchestration.job_runner import run_job

run_job(
    "tokred.data.prepare:prepare",
    {
        "adapter": snakemake.params.adapter,
        "name": snakemake.wildcards.dataset,
        "split": snakemake.wildcards.split,
        "options": snakemake.params.options,
        "output": snakemake.output.table,
        "threads": snakemake.threads,
        "code": snakemake.params.code,
        "for_training": True,
        "size": snakemake.params.size,
    },
    log=snakemake.log[0],
    threads=snakemake.threads,
)
