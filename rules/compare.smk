"""Comparisons: one job a slice of the study, all pairs of the slice inside it."""

for axis, (slice_path, stage) in AXES.items():

    rule:
        name:
            f"compare_{axis}"
        input:
            runs=runs_of_slice(stage),
        output:
            rows=f"{METRICS}/{axis}/{slice_path}.parquet",
        log:
            f"{LOGS}/compare_{axis}/{slice_path}.log",
        group:
            shared("compare")
        conda:
            ENVIRONMENT
        resources:
            short_jobs=1,
            mem_mb=memory_by_input,
            runtime=minutes_by_input,
        params:
            job="tokred.comparison.jobs:compare",
            arguments={"axis": axis},
            methods=PLAIN_METHOD_FACTS,
            metrics=facts_of_metrics([axis], without=LOOKS),
            code=CODE.compare(f"compare_{axis}", "compare", f"tokred.comparison.{axis}:compare"),
        script:
            "../workflow/scripts/compare.py"


rule summarize:
    input:
        runs=runs_of_slice("patterns"),
    output:
        rows=f"{METRICS}/summary/{SLICE}.parquet",
        depth=f"{METRICS}/depth/{SLICE}.parquet",
    log:
        f"{LOGS}/summarize/{SLICE}.log",
    group:
        shared("compare")
    conda:
        ENVIRONMENT
    resources:
        short_jobs=1,
        mem_mb=memory_by_input,
        runtime=minutes_by_input,
    params:
        job="tokred.comparison.jobs:summarize",
        arguments={},
        methods=PLAIN_METHOD_FACTS,
        code=CODE.compare("summarize", "summarize"),
    script:
        "../workflow/scripts/compare.py"


rule compare_object_recall:
    input:
        runs=runs_of_slice("patterns"),
        table=[f"{RESULTS}/datasets/{{dataset}}/test.parquet"],
    output:
        rows=f"{METRICS}/object_recall/{SLICE}.parquet",
    log:
        f"{LOGS}/compare_object_recall/{SLICE}.log",
    group:
        shared("compare")
    conda:
        ENVIRONMENT
    resources:
        short_jobs=1,
        mem_mb=memory_by_input,
        runtime=minutes_by_input,
    params:
        job="tokred.comparison.jobs:compare_object_recall",
        arguments=lambda w: {"dataset": w.dataset, **framing_of(w.dataset)},
        methods=PLAIN_METHOD_FACTS,
        metrics=facts_of_metrics(["object_recall"], without=LOOKS),
        code=CODE.compare("compare_object_recall", "compare_object_recall"),
    script:
        "../workflow/scripts/compare.py"


rule compare_datasets:
    input:
        depth=expand(f"{METRICS}/depth/{SLICE}.parquet", dataset=STUDY.datasets, allow_missing=True),
    output:
        rows=f"{METRICS}/datasets/{{backbone}}/{{seed}}.parquet",
    log:
        f"{LOGS}/compare_datasets/{{backbone}}/{{seed}}.log",
    group:
        shared("compare")
    conda:
        ENVIRONMENT
    resources:
        short_jobs=1,
        mem_mb=memory_by_input,
        runtime=minutes_by_input,
    params:
        job="tokred.comparison.jobs:compare_datasets",
        arguments={"grid": VIEW.grid},
        metrics=facts_of_metrics(["datasets"], without=LOOKS),
        code=CODE.compare("compare_datasets", "compare_datasets"),
    script:
        "../workflow/scripts/compare.py"


rule compare_proxies:
    input:
        scores=runs_of_slice("scores"),
        pairs=[f"{METRICS}/methods/{SLICE}.parquet", f"{METRICS}/features/{SLICE}.parquet"],
    output:
        rows=f"{METRICS}/proxies/{SLICE}.parquet",
    log:
        f"{LOGS}/compare_proxies/{SLICE}.log",
    group:
        shared("compare")
    conda:
        ENVIRONMENT
    resources:
        short_jobs=1,
        mem_mb=memory_by_input,
        runtime=minutes_by_input,
    params:
        job="tokred.comparison.jobs:compare_proxies",
        arguments={},
        code=CODE.compare("compare_proxies", "compare_proxies"),
    script:
        "../workflow/scripts/compare.py"


rule choose_pictures:
    input:
        table=[f"{RESULTS}/datasets/{{dataset}}/test.parquet"],
    output:
        rows=f"{METRICS}/pictures/{{dataset}}.parquet",
    log:
        f"{LOGS}/choose_pictures/{{dataset}}.log",
    group:
        shared("compare")
    conda:
        ENVIRONMENT
    resources:
        short_jobs=1,
        mem_mb=memory_by_input,
        runtime=minutes_by_input,
    params:
        job="tokred.comparison.jobs:choose_pictures",
        arguments=lambda w: {"dataset": w.dataset, **framing_of(w.dataset)},
        code=CODE.compare("choose_pictures", "choose_pictures"),
    script:
        "../workflow/scripts/compare.py"


rule show_examples:
    input:
        runs=runs_of_slice("patterns"),
        pictures=[rules.choose_pictures.output.rows],
    output:
        rows=f"{METRICS}/examples/{SLICE}.parquet",
    log:
        f"{LOGS}/show_examples/{SLICE}.log",
    group:
        shared("compare")
    conda:
        ENVIRONMENT
    resources:
        short_jobs=1,
        mem_mb=memory_by_input,
        runtime=minutes_by_input,
    params:
        job="tokred.comparison.jobs:show_examples",
        arguments={},
        methods=PLAIN_METHOD_FACTS,
        code=CODE.compare("show_examples", "show_examples"),
    script:
        "../workflow/scripts/compare.py"


rule publish:
    output:
        rows=f"{RESULTS}/published.parquet",
    log:
        f"{LOGS}/publish.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=memory_by_input,
        runtime=minutes_by_input,
    params:
        job="tokred.comparison.jobs:collect",
        arguments={"compare_with": "published"},
        code=CODE.compare("publish", "collect"),
    script:
        "../workflow/scripts/compare.py"


rule refer:
    input:
        scores=lambda w: scores_of_study(STUDY.compare_with),
    output:
        rows=f"{METRICS}/reference.parquet",
    log:
        f"{LOGS}/refer.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=memory_by_input,
        runtime=minutes_by_input,
    params:
        job="tokred.comparison.jobs:collect",
        arguments={"compare_with": STUDY.compare_with},
        code=CODE.compare("refer", "collect"),
    script:
        "../workflow/scripts/compare.py"


rule list_settings:
    input:
        settings_file(),
    output:
        settings=f"{METRICS}/settings.parquet",
        grid=f"{METRICS}/grid.parquet",
    log:
        f"{LOGS}/list_settings.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=memory_by_input,
        runtime=minutes_by_input,
    params:
        config=CONFIG_OF_RESULTS,
        code=lambda w: CODE.list_settings(),
    script:
        "../workflow/scripts/list_settings.py"
