"""Training: the backbones from scratch, and every run from its backbone."""


rule pretrain:
    output:
        checkpoint=f"{RESULTS}/pretrained/{{backbone}}.safetensors",
        history=f"{RESULTS}/pretrained/{{backbone}}.history.parquet",
        properties=f"{RESULTS}/pretrained/{{backbone}}.json",
    log:
        f"{LOGS}/pretrain/{{backbone}}.log",
    conda:
        ENVIRONMENT
    threads: 1 + STUDY.hardware.workers
    resources:
        gpus=lambda w: gpus(1),
        gpu=lambda w: gpus(1),
        nodes=1,
        mem_mb=pretraining_memory,
        runtime=pretraining_minutes,
    params:
        run=lambda w: asdict(STUDY.pretraining_run(w.backbone)),
        model=lambda w: model_of(STUDY.pretraining_run(w.backbone)),
        recipe=lambda w: recipe_of(w.backbone).model_dump(),
        code=lambda w: CODE.run("pretrain", UNREDUCED),
    script:
        "../workflow/scripts/pretrain.py"


rule train:
    input:
        unpack(training_inputs),
    output:
        checkpoint=f"{RESULTS}/checkpoints/{RUN_PATH}.safetensors",
        history=f"{RESULTS}/history/{RUN_PATH}.parquet",
    log:
        f"{LOGS}/train/{RUN_PATH}.log",
    conda:
        ENVIRONMENT
    threads: STUDY.hardware.threads
    resources:
        **resources_of_training(),
        mem_mb=training_memory,
        runtime=training_minutes,
    params:
        run=lambda w: asdict(run_of(w)),
        model=lambda w: model_of(run_of(w)),
        training=lambda w: training_of(run_of(w)).model_dump(),
        images=lambda w: images_of(w.dataset, w.backbone).model_dump(),
        method=lambda w: PLAIN_METHOD_FACTS[run_of(w).method],
        code=lambda w: CODE.run("train", w.method),
        shipped=lambda w: shipped_weights(w.backbone),
        keep_head=lambda w: STUDY.keeps_head(run_of(w)),
    script:
        "../workflow/scripts/train.py"
