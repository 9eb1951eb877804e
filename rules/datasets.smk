"""Data sets: from their source to one image table a split."""


rule prepare:
    input:
        # A dry run shows what would be done without the data.
        lambda w: [] if workflow.dryrun else PLAN.check_data(w),
    output:
        table=PLAN.image_table("{dataset}", "{split}"),
    log:
        f"{LOGS}/prepare/{{dataset}}/{{split}}.log",
    conda:
        ENVIRONMENT
    threads: lambda w: 16 if PLAN.reads_files(w) else 1
    resources:
        mem_mb=lambda w, threads, attempt: PLAN.preparation_estimate(w, threads).memory(attempt),
        runtime=lambda w, threads, attempt: PLAN.preparation_estimate(w, threads).minutes(attempt),
    params:
        job=JOBS["prepare"],
        takes=["threads"],
        arguments=PLAN.preparation,
        files=lambda w, output: {"output": output.table},
    message:
        MESSAGE
    script:
        "../workflow/scripts/run_job.py"
