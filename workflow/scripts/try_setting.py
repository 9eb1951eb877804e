"""Train one model with one setting of a search."""

from tokred.models import shipped
from tokred.orchestration.job_runner import run_job

pretrained = snakemake.input.get("pretrained")  # none: timm's
if snakemake.params.shipped is not None:
    pretrained = str(shipped.path(snakemake.wildcards.backbone))

run_job(
    "tokred.search.trial:run_trial",
    {
        "job": {
            "run": snakemake.params.run,
            "model": snakemake.params.model,
            "training": snakemake.params.training,
            "setting": snakemake.params.setting,  # none: the one that is chosen elsewhere
            "chosen": snakemake.input.get("chosen"),
            "code": snakemake.params.code,
            "keep_head": snakemake.params.keep_head,
            "images": snakemake.params.images,
            "pretrained": pretrained,
            "train_table": snakemake.input.train,
            "test_table": snakemake.input.get("test"),
            "history": snakemake.output.history,
            # From the configuration: what computes must not decide what is computed again.
            "hardware": snakemake.config.get("hardware", {}),
        },
    },
    log=snakemake.log[0],
    threads=snakemake.threads,
)
