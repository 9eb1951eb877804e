"""Benchmarks: what the documentation claims about speed, memory and storage, measured; on request alone."""


rule benchmarks:
    log:
        f"{LOGS}/benchmarks.log",
    conda:
        ENVIRONMENT
    params:
        job=JOBS["benchmarks"],
        takes=[],
    message:
        MESSAGE
    script:
        "../workflow/scripts/run_job.py"
