"""Result tables made from other tables: a rule for each job in `tokred/tables/registry.py`, one job per slice."""

for job in [job for job in TABLES.jobs() if not job.measured]:

    rule:
        name:
            job.rule
        input:
            unpack(job.inputs),
        output:
            **job.outputs,
        log:
            job.log,
        group:
            shared("compare" if job.tables[0].slice else None)
        conda:
            ENVIRONMENT
        resources:
            **SHORT,
        params:
            job=MAKE_TABLE,
            takes=["inputs", "outputs"],
            arguments=job.arguments,
            facts=job.facts(),
        message:
            MESSAGE
        script:
            "../workflow/scripts/run_job.py"
