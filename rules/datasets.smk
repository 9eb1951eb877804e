"""Data sets: from their source to one image table a split."""


rule prepare:
    output:
        table=f"{RESULTS}/datasets/{{dataset}}/{{split}}.parquet",
    log:
        f"{LOGS}/prepare/{{dataset}}/{{split}}.log",
    conda:
        ENVIRONMENT
    params:
        adapter=lambda w: dataset_of(w.dataset).adapter,
        options=lambda w: dataset_of(w.dataset).options,
        code=lambda w: fingerprint.code("tokred.datasets.prepare", adapter_module(w.dataset)),
    script:
        "../workflow/scripts/prepare.py"
