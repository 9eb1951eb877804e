"""Benchmarks: what the documentation claims about speed, memory and storage, measured; on request alone."""


rule benchmarks:
    log:
        f"{LOGS}/benchmarks.log",
    conda:
        ENVIRONMENT
    params:
        root=workflow.basedir,
    script:
        "../workflow/scripts/benchmarks.py"
