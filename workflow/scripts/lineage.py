"""Tell which code made which results."""

from tokred.worker import run_job

run_job(
    "tokred.lineage:write",
    {
        "study": snakemake.params.study,
        "inputs": {name: list(files) for name, files in snakemake.input.items()},
        "outputs": dict(snakemake.output.items()),
    },
    log=snakemake.log[0],
    threads=snakemake.threads,
)
