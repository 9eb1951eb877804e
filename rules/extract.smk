"""Extraction: one pass of each model over the test split."""


rule extract:
    input:
        # In a study without training the backbone's file; none for weights from timm, or of the package.
        weights=rules.train.output.weights if STUDY.fine_tunes else MODELS.evaluated_backbone,
        test=DATA.image_table("{dataset}", "test"),
    output:
        predictions=f"{RESULTS}/predictions/{RUN_PATH}.parquet",
        patterns=f"{RESULTS}/patterns/{RUN_PATH}.parquet",
        features=f"{RESULTS}/features/{RUN_PATH}.parquet",
        score=f"{RESULTS}/scores/{RUN_PATH}.parquet",
    log:
        f"{LOGS}/extract/{RUN_PATH}.log",
    conda:
        ENVIRONMENT
    threads: 1 + STUDY.hardware.workers
    resources:
        **requested(MODELS.extraction_estimate),
        gpus=lambda w: gpus(1),
        gpu=lambda w: gpus(1),
        nodes=1,
    params:
        job=JOBS["extract"],
        as_one="job",
        takes=["hardware"],
        arguments=MODELS.extraction,
        files=lambda w, input, output: {
            "weights": input.get("weights") or None,
            "test_table": input.test,
            **dict(output.items()),
        },
        of_package=MODELS.shipped_and_evaluated,
        method=lambda w: PLAN.plain_method_facts[w.method],
    message:
        MESSAGE
    script:
        "../workflow/scripts/run_job.py"
