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
    threads: 1 + STUDY.hardware.workers
    resources:
        gpus=lambda w: gpus(1),
        gpu=lambda w: gpus(1),
        nodes=1,
        mem_mb=extraction_memory,
        runtime=extraction_minutes,
    params:
        run=lambda w: asdict(run_of(w)),
        model=lambda w: model_of(run_of(w)),
        images=lambda w: images_of(w.dataset, w.backbone).model_dump(),
        batch_size=STUDY.evaluation_batch_size,
        precision=STUDY.evaluation_precision,
        method=lambda w: PLAIN_METHOD_FACTS[run_of(w).method],
        code=lambda w: CODE.run("extract", w.method),
    script:
        "../workflow/scripts/extract.py"
