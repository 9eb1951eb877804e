"""Training: the backbones from scratch, and every run from its backbone."""


def pretrained_weights(backbone):
    """File with the weights that a backbone's runs start from."""
    source = STUDY.settings.backbones[backbone].weights
    if source == "pretrain":
        return f"{RESULTS}/pretrained/{backbone}.safetensors"
    return str(shipped.path(backbone)) if source == "shipped" else source


def training_inputs(wildcards):
    """Tables and weights of a run; the test split only where the study chooses epochs on it."""
    run = run_of(wildcards)
    tables = f"{RESULTS}/datasets/{run.dataset}"
    files = {"train": f"{tables}/train.parquet", "pretrained": pretrained_weights(run.backbone)}
    if STUDY.training_for(run).selection == "test":
        files["test"] = f"{tables}/test.parquet"
    return files


rule pretrain:
    input:
        train=f"{RESULTS}/datasets/pretraining/train.parquet",
    output:
        checkpoint=f"{RESULTS}/pretrained/{{backbone}}.safetensors",
        history=f"{RESULTS}/pretrained/{{backbone}}.history.parquet",
    params:
        run=lambda w: asdict(STUDY.pretraining_run(w.backbone)),
        model=lambda w: model_of(STUDY.pretraining_run(w.backbone)),
        phases=lambda w: STUDY.pretraining_for(w.backbone),
        code=fingerprint.code("tokred.jobs"),
    log:
        f"{LOGS}/pretrain/{{backbone}}.log",
    conda:
        ENVIRONMENT
    script:
        "../workflow/scripts/pretrain.py"


rule train:
    input:
        unpack(training_inputs),
    output:
        checkpoint=f"{RESULTS}/checkpoints/{RUN_PATH}.safetensors",
        history=f"{RESULTS}/history/{RUN_PATH}.parquet",
    params:
        run=lambda w: asdict(run_of(w)),
        model=lambda w: model_of(run_of(w)),
        training=lambda w: STUDY.training_for(run_of(w)).model_dump(),
        code=lambda w: fingerprint.code("tokred.jobs", *method_modules(w)),
        keep_head=lambda w: STUDY.keeps_head(run_of(w)),
    log:
        f"{LOGS}/train/{RUN_PATH}.log",
    conda:
        ENVIRONMENT
    script:
        "../workflow/scripts/train.py"
