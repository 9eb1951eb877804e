"""Fine-tune one model from a pretrained backbone."""

from tokred.worker import run_job

run_job(
    "tokred.jobs:train",
    {
        "run": snakemake.params.run,
        "model": snakemake.params.model,
        "training": snakemake.params.training,
        "code": snakemake.params.code,
        "keep_head": snakemake.params.keep_head,
        "pretrained": snakemake.input.pretrained,
        "train_table": snakemake.input.train,
        "test_table": snakemake.input.get("test"),
        "checkpoint": snakemake.output.checkpoint,
        "history": snakemake.output.history,
    },
    log=snakemake.log[0],
    threads=snakemake.threads,
)
