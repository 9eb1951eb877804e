"""Extraction: one pass of each trained model over the test split."""


rule extract:
    input:
        weights=rules.train.output.weights,
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
            "weights": input.weights,
            "test_table": input.test,
            **dict(output.items()),
        },
        method=lambda w: PLAN.plain_method_facts[w.method],
    message:
        MESSAGE
    script:
        "../workflow/scripts/run_job.py"
