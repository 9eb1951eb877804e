"""Data sets: from their source to one image table a split."""


def dataset_of(name):
    """Configuration of a data set of the study, or of the pretraining's."""
    return STUDY.pretraining.dataset if name == "pretraining" else STUDY.settings.datasets[name]


def adapter_module(name):
    """The module of a data set's adapter, whose code the table depends on."""
    return ADAPTERS[dataset_of(name).adapter].target.partition(":")[0]


rule prepare:
    output:
        table=f"{RESULTS}/datasets/{{dataset}}/{{split}}.parquet",
    params:
        adapter=lambda w: dataset_of(w.dataset).adapter,
        options=lambda w: dataset_of(w.dataset).options,
        code=lambda w: fingerprint.code("tokred.datasets.prepare", adapter_module(w.dataset)),
    log:
        f"{LOGS}/prepare/{{dataset}}/{{split}}.log",
    conda:
        ENVIRONMENT
    script:
        "../workflow/scripts/prepare.py"
