"""Tell what the study will cost, before any of it is run."""

from tokred.worker import run_job

run_job(
    "tokred.scale:write",
    {"config": snakemake.params.config, "outputs": dict(snakemake.output.items())},
    log=snakemake.log[0],
    threads=snakemake.threads,
)
