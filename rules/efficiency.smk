"""Efficiency: time and memory of all configurations of a study, measured on request, alone on the machine."""

for job in [job for job in TABLES.jobs() if job.measured]:

    rule:
        name:
            job.rule
        input:
            unpack(job.inputs),
        output:
            **job.outputs,
        log:
            job.log,
        conda:
            ENVIRONMENT
        threads: all_cores
        resources:
            **requested(MODELS.measuring_estimate),
            gpus=lambda w: gpus(1),
            gpu=lambda w: gpus(1),
            nodes=1,
        params:
            job=MAKE_TABLE,
            takes=["inputs", "outputs"],
            arguments=job.arguments,
            facts=job.facts(),
        message:
            MESSAGE
        script:
            "../workflow/scripts/run_job.py"


rule efficiency:
    input:
        ARTIFACTS.measured_files(),
    message:
        MESSAGE
