"""Data sets: one image table per split, from the images."""


rule prepare:
    input:
        # A dry run shows the jobs even if the data are missing.
        lambda w: [] if workflow.dryrun else DATA.check_folder(w),
    output:
        table=DATA.image_table("{dataset}", "{split}"),
    log:
        f"{LOGS}/prepare/{{dataset}}/{{split}}.log",
    conda:
        ENVIRONMENT
    threads: lambda w: 16 if DATA.reads_files(w) else 1
    resources:
        mem_mb=lambda w, threads, attempt: DATA.estimate(w, threads).memory(attempt),
        runtime=lambda w, threads, attempt: DATA.estimate(w, threads).minutes(attempt),
    params:
        job=JOBS["prepare"],
        takes=["threads"],
        arguments=DATA.arguments,
        files=lambda w, output: {"output": output.table},
    message:
        MESSAGE
    script:
        "../workflow/scripts/run_job.py"
