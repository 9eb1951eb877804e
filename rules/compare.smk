"""Comparisons: one job a slice of the study, all pairs of the slice inside it."""

METRICS = f"{RESULTS}/metrics"
SLICE = "{dataset}/{backbone}/{seed}"
#: What `tokred.compare` compares along each axis: the slice that a job covers, and the tables it reads.
AXES = {
    "keep_rates": (SLICE, "patterns"),
    "fixed": (SLICE, "patterns"),
    "methods": (SLICE, "patterns"),
    "features": (SLICE, "features"),
    "backbones": ("{dataset}/{seed}", "patterns"),
}


def runs_of_slice(stage):
    """Input function: a stage's files of all runs of the slice that the wildcards name."""
    return lambda wildcards: paths(stage, **dict(wildcards.items()))


for axis, (slice_path, stage) in AXES.items():

    rule:
        name:
            f"compare_{axis}"
        input:
            runs=runs_of_slice(stage),
        output:
            rows=f"{METRICS}/{axis}/{slice_path}.parquet",
        params:
            job="compare",
            arguments={"axis": axis},
            code=fingerprint.code("tokred.compare.jobs", f"tokred.compare.{axis}"),
        log:
            f"{LOGS}/compare_{axis}/{slice_path}.log",
        conda:
            ENVIRONMENT
        script:
            "../workflow/scripts/compare.py"


rule summarize:
    input:
        runs=runs_of_slice("patterns"),
    output:
        rows=f"{METRICS}/summary/{SLICE}.parquet",
        depth=f"{METRICS}/depth/{SLICE}.parquet",
    params:
        job="summarize",
        arguments={},
        code=fingerprint.code("tokred.compare.jobs", "tokred.compare.summary"),
    log:
        f"{LOGS}/summarize/{SLICE}.log",
    conda:
        ENVIRONMENT
    script:
        "../workflow/scripts/compare.py"


rule compare_datasets:
    input:
        depth=expand(f"{METRICS}/depth/{SLICE}.parquet", dataset=STUDY.datasets, allow_missing=True),
    output:
        rows=f"{METRICS}/datasets/{{backbone}}/{{seed}}.parquet",
    params:
        job="compare_datasets",
        arguments={"grid": VIEW.grid},
        code=fingerprint.code("tokred.compare.jobs", "tokred.compare.datasets"),
    log:
        f"{LOGS}/compare_datasets/{{backbone}}/{{seed}}.log",
    conda:
        ENVIRONMENT
    script:
        "../workflow/scripts/compare.py"


rule compare_proxies:
    input:
        scores=runs_of_slice("scores"),
        pairs=[f"{METRICS}/methods/{SLICE}.parquet", f"{METRICS}/features/{SLICE}.parquet"],
    output:
        rows=f"{METRICS}/proxies/{SLICE}.parquet",
    params:
        job="compare_proxies",
        arguments={},
        code=fingerprint.code("tokred.compare.jobs", "tokred.compare.proxies"),
    log:
        f"{LOGS}/compare_proxies/{SLICE}.log",
    conda:
        ENVIRONMENT
    script:
        "../workflow/scripts/compare.py"
