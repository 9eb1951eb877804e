"""Tell what the study will cost, before any of it is run."""

from tokred.orchestration.job_runner import run_job

run_job(
    "tokred.orchestration.cost:write",
    {"config": snakemake.params.config, "outputs": dict(snakemake.output.items())},
    log=snakemake.log[0],
    threads=snakemake.threads,
)
