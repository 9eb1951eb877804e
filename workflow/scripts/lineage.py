"""Tell which code made which results."""

from tokred.orchestration.job_runner import run_job

run_job(
    "tokred.orchestration.lineage:write",
    {
        "study": snakemake.params.study,
        "inputs": {name: list(files) for name, files in snakemake.input.items()},
        "outputs": dict(snakemake.output.items()),
    },
    log=snakemake.log[0],
    threads=snakemake.threads,
)
