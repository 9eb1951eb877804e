"""Write what a search found, and the table of its trials."""

from tokred.orchestration.job_runner import run_job

run_job(
    "tokred.search.result:write",
    {
        "config": snakemake.params.config,
        "code": snakemake.params.code,
        "inputs": list(snakemake.input.histories),
        "outputs": dict(snakemake.output.items()),
    },
    log=snakemake.log[0],
    threads=snakemake.threads,
)
