"""Benchmarks of speed, memory and storage, as the documentation quotes them; only on request."""


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
