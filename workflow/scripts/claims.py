"""Decide which of the paper's findings hold in the study."""

from tokred.orchestration.job_runner import run_job

run_job(
    "tokred.claims.verdicts:write",
    {
        "view": snakemake.params.view,
        "inputs": {name: list(files) for name, files in snakemake.input.items()},
        "outputs": dict(snakemake.output.items()),
    },
    log=snakemake.log[0],
    threads=snakemake.threads,
)
