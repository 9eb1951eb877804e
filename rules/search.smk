"""The search of hyperparameters: trials, what each model's trials say, and the file that studies can use."""


rule try_setting:
    input:
        unpack(trial_inputs),
    output:
        history=f"{SEARCH}/history/{TRIAL}.parquet",
    log:
        f"{LOGS}/try_setting/{TRIAL}.log",
    conda:
        ENVIRONMENT
    threads: STUDY.hardware.threads
    resources:
        **resources_of_training(),
        mem_mb=trial_memory,
        runtime=trial_minutes,
    params:
        run=lambda w: asdict(search.run_of_trials(STUDY, cell_of(w))),
        model=lambda w: model_of(search.run_in_study(STUDY, cell_of(w))),
        training=lambda w: search.training(STUDY, cell_of(w)).model_dump(exclude=set(SEARCHED)),
        setting=setting_of_trial,
        images=lambda w: images_of(w.dataset, w.backbone).model_dump(),
        method=lambda w: PLAIN_METHOD_FACTS[cell_of(w).method],
        code=lambda w: CODE.run("try_setting", w.method),
        shipped=lambda w: shipped_weights(w.backbone),
        keep_head=lambda w: STUDY.keeps_head(search.run_in_study(STUDY, cell_of(w))),
    script:
        "../workflow/scripts/try_setting.py"


rule choose_setting:
    input:
        histories=lambda w: trial_files(cell_of(w)),
    output:
        setting=f"{SEARCH}/chosen/{CELL}.json",
    log:
        f"{LOGS}/choose_setting/{CELL}.log",
    conda:
        ENVIRONMENT
    params:
        # In order, which decides between equals; to Snakemake the input is a set.
        names=lambda w: list(trials()[cell_of(w)]),
        last=lambda w: search.takes_last(STUDY, cell_of(w)),
        code=lambda w: CODE.choose_setting(),
    script:
        "../workflow/scripts/choose_setting.py"


rule collect_settings:
    input:
        histories=lambda w: [file for cell in trials() for file in trial_files(cell)],
    output:
        hyperparameters=f"{SEARCH}/hyperparameters.yaml",
        trials=f"{SEARCH}/trials.parquet",
    log:
        f"{LOGS}/collect_settings.log",
    conda:
        ENVIRONMENT
    params:
        config=CONFIG_OF_RESULTS,
        code=lambda w: CODE.collect_settings(),
    script:
        "../workflow/scripts/collect_settings.py"


localrules:
    search,


rule search:
    input:
        rules.collect_settings.output,
