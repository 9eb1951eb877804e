"""Figures and tables, each a target of its own; the findings of the paper; what of it the report shows."""


rule figure:
    input:
        unpack(lambda w: tables_of(w.figure)),
    output:
        pdf=f"{RESULTS}/figures/{{figure}}.pdf",
        png=report(
            f"{RESULTS}/figures/{{figure}}.png",
            caption="../workflow/report/artifact.rst",
            category=lambda w: ARTIFACTS[w.figure].topic,
            labels=lambda w: labels_of(w.figure),
        ),
    log:
        f"{LOGS}/figure/{{figure}}.log",
    group:
        shared("artifacts")
    conda:
        ENVIRONMENT
    resources:
        short_jobs=1,
        mem_mb=memory_by_input,
        runtime=minutes_by_input,
    params:
        **what_is_drawn("figure"),
    script:
        "../workflow/scripts/render.py"


rule table:
    input:
        unpack(lambda w: tables_of(w.table)),
    output:
        csv=f"{RESULTS}/tables/{{table}}.csv",
        html=report(
            f"{RESULTS}/tables/{{table}}.html",
            caption="../workflow/report/artifact.rst",
            category=lambda w: ARTIFACTS[w.table].topic,
            labels=lambda w: labels_of(w.table),
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
        short_jobs=1,
        mem_mb=memory_by_input,
        runtime=minutes_by_input,
    params:
        **what_is_drawn("table"),
    script:
        "../workflow/scripts/render.py"


rule claims:
    input:
        unpack(lambda w: claimed_tables()),
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
        short_jobs=1,
        mem_mb=memory_by_input,
        runtime=minutes_by_input,
    params:
        view=asdict(VIEW),
        methods=METHOD_FACTS,
        metrics=facts_of_metrics(CLAIMED_TABLES),
        code=lambda w: CODE.claims(),
    script:
        "../workflow/scripts/claims.py"


rule lineage:
    input:
        tables=all_tables(),
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
        short_jobs=1,
        mem_mb=memory_by_input,
        runtime=minutes_by_input,
    params:
        study=STUDY.study,
        code=lambda w: CODE.lineage(),
    script:
        "../workflow/scripts/lineage.py"


rule scale:
    output:
        csv=f"{RESULTS}/scale.csv",
        md=f"{RESULTS}/scale.md",
    log:
        f"{LOGS}/scale.log",
    conda:
        ENVIRONMENT
    params:
        config=config,
        methods=PLAIN_METHOD_FACTS,
        code=lambda w: CODE.scale([UNREDUCED, *VIEW.methods], adapters_of_study()),
    script:
        "../workflow/scripts/scale.py"
