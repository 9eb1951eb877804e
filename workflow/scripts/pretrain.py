"""Train a backbone from scratch."""

from tokred.orchestration.job_runner import run_job

run_job(
    "tokred.training.job:pretrain",
    {
        "job": {
            "run": snakemake.params.run,
            "model": snakemake.params.model,
            "images": snakemake.params.images,
            "phases": snakemake.params.phases,
            "code": snakemake.params.code,
            "train_table": snakemake.input.train,
            "checkpoint": snakemake.output.checkpoint,
            "history": snakemake.output.history,
            # From the configuration: what computes must not decide what is computed again.
            "hardware": snakemake.config.get("hardware", {}),
        },
    },
    log=snakemake.log[0],
    threads=snakemake.threads,
)
