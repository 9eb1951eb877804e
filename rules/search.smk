"""Hyperparameter search: trials, the choice for each model, and the file of hyperparameters for other studies."""


rule try_setting:
    input:
        unpack(SEARCH.trial_inputs),
    output:
        history=f"{SEARCH.folder}/history/{TRIAL}.parquet",
    log:
        f"{LOGS}/try_setting/{TRIAL}.log",
    conda:
        ENVIRONMENT
    threads: STUDY.hardware.threads
    resources:
        **requested_by_training(SEARCH.trial_estimate),
    params:
        job=JOBS["try_setting"],
        as_one="job",
        takes=["hardware"],
        arguments=SEARCH.trial,
        files=lambda w, input, output: {
            "chosen": input.get("chosen"),
            "pretrained": input.get("pretrained"),  # None: weights from timm, or of the package
            "train_table": input.train,
            "test_table": input.get("test"),
            "history": output.history,
        },
        of_package=lambda w: MODELS.shipped_weights(w.backbone),
        method=lambda w: PLAN.plain_method_facts[w.method],
    message:
        MESSAGE
    script:
        "../workflow/scripts/run_job.py"


rule choose_setting:
    input:
        histories=lambda w: SEARCH.files_of(SEARCH.cell_of(w)),
    output:
        setting=f"{SEARCH.folder}/chosen/{CELL}.json",
    log:
        f"{LOGS}/choose_setting/{CELL}.log",
    conda:
        ENVIRONMENT
    params:
        job=JOBS["choose_setting"],
        takes=["inputs", "outputs"],
        arguments=SEARCH.choice,
        code=lambda w: PLAN.code.choose_setting(),
    message:
        MESSAGE
    script:
        "../workflow/scripts/run_job.py"


rule collect_settings:
    input:
        histories=lambda w: SEARCH.all_files(),
    output:
        hyperparameters=f"{SEARCH.folder}/hyperparameters.yaml",
        trials=f"{SEARCH.folder}/trials.parquet",
    log:
        f"{LOGS}/collect_settings.log",
    conda:
        ENVIRONMENT
    params:
        job=JOBS["collect_settings"],
        takes=["inputs", "outputs"],
        arguments=lambda w: {"config": PLAN.config, "code": PLAN.code.collect_settings()},
    message:
        MESSAGE
    script:
        "../workflow/scripts/run_job.py"


localrules:
    search,


rule search:
    input:
        rules.collect_settings.output,
    message:
        MESSAGE
