"""Draw one figure or make one table, in all its formats."""

from tokred.orchestration.job_runner import run_job

run_job(
    "tokred.artifacts.render:render_files",
    {
        "name": snakemake.params.name,
        "view": snakemake.params.view,
        "inputs": {name: list(files) for name, files in snakemake.input.items()},
        "outputs": list(snakemake.output),
    },
    log=snakemake.log[0],
    threads=snakemake.threads,
)
