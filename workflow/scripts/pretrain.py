"""Train a backbone from scratch."""

from tokred.orchestration.job_runner import run_job

run_job(
    "tokred.training.pretraining:pretrain",
    {
        "job": {
            "run": snakemake.params.run,
            "model": snakemake.params.model,
            "recipe": snakemake.params.recipe,
            "code": snakemake.params.code,
            "checkpoint": snakemake.output.checkpoint,
            "history": snakemake.output.history,
            "properties": snakemake.output.properties,
            # From the configuration: what computes must not decide what is computed again.
            "hardware": snakemake.config.get("hardware", {}),
        },
    },
    log=snakemake.log[0],
    threads=snakemake.threads,
)
