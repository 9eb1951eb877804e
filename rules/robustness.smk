"""Robustness: each model on corrupted images of the test split."""


rule evaluate_corrupted:
    input:
        weights=rules.extract.input.weights,
        test=DATA.image_table("{dataset}", "test"),
    output:
        robustness=f"{RESULTS}/robustness/{RUN_PATH}.parquet",
    log:
        f"{LOGS}/evaluate_corrupted/{RUN_PATH}.log",
    conda:
        ENVIRONMENT
    threads: 1 + STUDY.hardware.workers
    resources:
        **requested(MODELS.corruption_estimate),
        gpus=lambda w: gpus(1),
        gpu=lambda w: gpus(1),
        nodes=1,
    params:
        job=JOBS["evaluate_corrupted"],
        as_one="job",
        takes=["hardware"],
        arguments=MODELS.corruption,
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
