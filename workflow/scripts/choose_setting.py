"""Choose among the trials of one model."""

from tokred.orchestration.job_runner import run_job

run_job(
    "tokred.search.choice:choose",
    {
        "histories": list(snakemake.input.histories),
        "names": snakemake.params.names,
        "last": snakemake.params.last,
        "output": snakemake.output.setting,
    },
    log=snakemake.log[0],
    threads=snakemake.threads,
)
