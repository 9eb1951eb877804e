"""Compare the runs of one slice of the study along one axis."""

from tokred.orchestration.job_runner import run_job

run_job(
    snakemake.params.job,
    {
        **snakemake.params.arguments,
        "code": snakemake.params.code,
        "inputs": {name: list(files) for name, files in snakemake.input.items()},
        "outputs": dict(snakemake.output.items()),
    },
    log=snakemake.log[0],
    threads=snakemake.threads,
)
