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
    log:
        f"{LOGS}/extract/{RUN_PATH}.log",
    conda:
        ENVIRONMENT
    params:
        run=lambda w: asdict(run_of(w)),
        model=lambda w: model_of(run_of(w)),
        batch_size=STUDY.evaluation_batch_size,
        code=lambda w: code_of_method(w.method),
    script:
        "../workflow/scripts/extract.py"
