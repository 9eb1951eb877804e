"""Pass the test split through one trained model."""

from tokred.orchestration.job_runner import run_job

run_job(
    "tokred.evaluation.job:extract_run",
    {
        "job": {
            "run": snakemake.params.run,
            "model": snakemake.params.model,
            "images": snakemake.params.images,
            "batch_size": snakemake.params.batch_size,
            "precision": snakemake.params.precision,
            "code": snakemake.params.code,
            "checkpoint": snakemake.input.checkpoint,
            "test_table": snakemake.input.test,
            **dict(snakemake.output.items()),
            # From the configuration: what computes must not decide what is computed again.
            "hardware": snakemake.config.get("hardware", {}),
        },
    },
    log=snakemake.log[0],
    threads=snakemake.threads,
)
