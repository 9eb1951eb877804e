"""Data sets: from their source to one image table a split."""


rule prepare:
    input:
        check_data,
    output:
        table=f"{RESULTS}/datasets/{{dataset}}/{{split}}.parquet",
    log:
        f"{LOGS}/prepare/{{dataset}}/{{split}}.log",
    conda:
        ENVIRONMENT
    threads: lambda w: 16 if "root" in STUDY.options_of(dataset_of(w.dataset)) else 1
    resources:
        mem_mb=preparation_memory,
        runtime=preparation_minutes,
    params:
        adapter=lambda w: dataset_of(w.dataset).adapter,
        options=lambda w: STUDY.options_of(dataset_of(w.dataset)),
        code=lambda w: CODE.prepare(dataset_of(w.dataset).adapter),
        size=lambda w: size_in_memory(w.dataset),
    script:
        "../workflow/scripts/prepare.py"
