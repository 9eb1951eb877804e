"""Training: backbones from scratch, and fine-tuning of every run."""


rule pretrain:
    output:
        weights=f"{RESULTS}/pretrained/{{backbone}}.safetensors",
        history=f"{RESULTS}/pretrained/{{backbone}}.history.parquet",
        properties=f"{RESULTS}/pretrained/{{backbone}}.json",
    log:
        f"{LOGS}/pretrain/{{backbone}}.log",
    conda:
        ENVIRONMENT
    threads: 1 + STUDY.hardware.workers
    resources:
        **requested(MODELS.pretraining_estimate),
        gpus=lambda w: gpus(1),
        gpu=lambda w: gpus(1),
        nodes=1,
    params:
        job=JOBS["pretrain"],
        as_one="job",
        takes=["hardware"],
        arguments=MODELS.pretraining,
        files=lambda w, output: dict(output.items()),
    message:
        MESSAGE
    script:
        "../workflow/scripts/run_job.py"


rule train:
    input:
        unpack(MODELS.training_inputs),
        # Trainings wait for both splits, so that errors in the data are found before the first training. A test split
        # that was prepared again does not rerun them.
        prepared=ancient(DATA.image_table("{dataset}", "test")),
    output:
        weights=f"{RESULTS}/checkpoints/{RUN_PATH}.safetensors",
        history=f"{RESULTS}/history/{RUN_PATH}.parquet",
    log:
        f"{LOGS}/train/{RUN_PATH}.log",
    conda:
        ENVIRONMENT
    threads: STUDY.hardware.threads
    resources:
        **requested_by_training(MODELS.training_estimate),
    params:
        job=JOBS["train"],
        as_one="job",
        takes=["hardware"],
        arguments=MODELS.training,
        files=lambda w, input, output: {
            "pretrained": input.get("pretrained"),  # None: weights from timm, or of the package
            "train_table": input.train,
            "test_table": input.get("test"),
            **dict(output.items()),
        },
        of_package=lambda w: MODELS.shipped_weights(w.backbone),
        method=lambda w: PLAN.plain_method_facts[w.method],
    message:
        MESSAGE
    script:
        "../workflow/scripts/run_job.py"
