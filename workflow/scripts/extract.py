"""Pass the test split through one trained model."""

from tokred.worker import run_job

run_job(
    "tokred.jobs:extract_run",
    {
        "run": snakemake.params.run,
        "model": snakemake.params.model,
        "batch_size": snakemake.params.batch_size,
        "code": snakemake.params.code,
        "checkpoint": snakemake.input.checkpoint,
        "test_table": snakemake.input.test,
        "outputs": dict(snakemake.output.items()),
    },
    log=snakemake.log[0],
    threads=snakemake.threads,
)
