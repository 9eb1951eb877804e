"""Figures and tables, one target each; findings of the paper; lineage and costs; categories of the report."""


rule figure:
    input:
        unpack(lambda w: ARTIFACTS.inputs(w.figure)),
    output:
        pdf=f"{RESULTS}/figures/{{figure}}.pdf",
        png=report(
            f"{RESULTS}/figures/{{figure}}.png",
            caption="../workflow/report/artifact.rst",
            category=lambda w: ARTIFACTS.report_category(w.figure),
            labels=lambda w: ARTIFACTS.report_labels(w.figure),
        ),
    log:
        f"{LOGS}/figure/{{figure}}.log",
    group:
        shared("artifacts")
    conda:
        ENVIRONMENT
    resources:
        **SHORT,
    params:
        job=JOBS["figure"],
        takes=["inputs", "outputs"],
        arguments=lambda w: ARTIFACTS.arguments(w.figure),
        drawn=lambda w: ARTIFACTS.registry_facts(w.figure),
    message:
        MESSAGE
    script:
        "../workflow/scripts/run_job.py"


rule table:
    input:
        unpack(lambda w: ARTIFACTS.inputs(w.table)),
    output:
        csv=f"{RESULTS}/tables/{{table}}.csv",
        html=report(
            f"{RESULTS}/tables/{{table}}.html",
            caption="../workflow/report/artifact.rst",
            category=lambda w: ARTIFACTS.report_category(w.table),
            labels=lambda w: ARTIFACTS.report_labels(w.table),
        ),
        md=f"{RESULTS}/tables/{{table}}.md",
        tex=f"{RESULTS}/tables/{{table}}.tex",
    log:
        f"{LOGS}/table/{{table}}.log",
    group:
        shared("artifacts")
    conda:
        ENVIRONMENT
    resources:
        **SHORT,
    params:
        job=JOBS["table"],
        takes=["inputs", "outputs"],
        arguments=lambda w: ARTIFACTS.arguments(w.table),
        drawn=lambda w: ARTIFACTS.registry_facts(w.table),
    message:
        MESSAGE
    script:
        "../workflow/scripts/run_job.py"


rule claims:
    input:
        **ARTIFACTS.claims_inputs(),
    output:
        csv=f"{RESULTS}/claims.csv",
        html=report(
            f"{RESULTS}/claims.html",
            caption="../workflow/report/claims.rst",
            category="Findings of the paper",
            labels={"artifact": "Claims", "shows": "Which findings of the paper hold in this study"},
        ),
        md=f"{RESULTS}/claims.md",
    log:
        f"{LOGS}/claims.log",
    group:
        shared("artifacts")
    conda:
        ENVIRONMENT
    resources:
        **SHORT,
    params:
        job=JOBS["claims"],
        takes=["inputs", "outputs"],
        arguments={"view": PLAN.view_values},
        decided=lambda w: ARTIFACTS.claims_facts(),
    message:
        MESSAGE
    script:
        "../workflow/scripts/run_job.py"


rule lineage:
    input:
        tables=ARTIFACTS.all_tables(),
    output:
        csv=f"{RESULTS}/code.csv",
        html=report(
            f"{RESULTS}/code.html",
            caption="../workflow/report/code.rst",
            category="Code",
            labels={"artifact": "Code", "shows": "Which code made which results"},
        ),
        md=f"{RESULTS}/code.md",
    log:
        f"{LOGS}/lineage.log",
    group:
        shared("artifacts")
    conda:
        ENVIRONMENT
    resources:
        **SHORT,
    params:
        job=JOBS["lineage"],
        takes=["inputs", "outputs"],
        arguments={"study": STUDY.study},
        code=lambda w: PLAN.code.lineage(),
    message:
        MESSAGE
    script:
        "../workflow/scripts/run_job.py"


rule scale:
    output:
        csv=f"{RESULTS}/scale.csv",
        md=f"{RESULTS}/scale.md",
    log:
        f"{LOGS}/scale.log",
    conda:
        ENVIRONMENT
    params:
        job=JOBS["scale"],
        takes=["outputs"],
        arguments={"config": PLAN.config},
        methods=PLAN.plain_method_facts,
        code=lambda w: ARTIFACTS.code_of_cost(),
    message:
        MESSAGE
    script:
        "../workflow/scripts/run_job.py"
