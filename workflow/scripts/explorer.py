"""Put the explorer's page together."""

from tokred.orchestration.job_runner import run_job

run_job(
    "tokred.explorer.build:build",
    {
        "view": snakemake.params.view,
        "framing": snakemake.params.framing,
        "inputs": {name: list(files) for name, files in snakemake.input.items()},
        "output": snakemake.output.page,
    },
    log=snakemake.log[0],
    threads=snakemake.threads,
)
