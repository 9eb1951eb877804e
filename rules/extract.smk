"""Extraction: one pass of every trained model over the test split."""


rule extract:
    input:
        checkpoint=rules.train.output.checkpoint,
        test=f"{RESULTS}/datasets/{{dataset}}/test.parquet",
    output:
        predictions=f"{RESULTS}/predictions/{RUN_PATH}.parquet",
        patterns=f"{RESULTS}/patterns/{RUN_PATH}.parquet",
        features=f"{RESULTS}/features/{RUN_PATH}.parquet",
        score=f"{RESULTS}/scores/{RUN_PATH}.parquet",
    params:
        run=lambda w: asdict(run_of(w)),
        model=lambda w: model_of(run_of(w)),
        batch_size=STUDY.evaluation_batch_size,
        code=lambda w: fingerprint.code("tokred.jobs", *method_modules(w)),
    log:
        f"{LOGS}/extract/{RUN_PATH}.log",
    conda:
        ENVIRONMENT
    script:
        "../workflow/scripts/extract.py"
