"""Figures and tables, each a target of its own."""


rule figure:
    input:
        unpack(lambda w: tables_of(w.figure)),
    output:
        multiext(f"{RESULTS}/figures/{{figure}}", ".pdf", ".png"),
    log:
        f"{LOGS}/figure/{{figure}}.log",
    conda:
        ENVIRONMENT
    params:
        name=lambda w: w.figure,
        view=asdict(VIEW),
        code=lambda w: fingerprint.code("tokred.artifacts.render", f"tokred.artifacts.{w.figure}"),
    script:
        "../workflow/scripts/render.py"


rule table:
    input:
        unpack(lambda w: tables_of(w.table)),
    output:
        multiext(f"{RESULTS}/tables/{{table}}", ".csv", ".md", ".tex"),
    log:
        f"{LOGS}/table/{{table}}.log",
    conda:
        ENVIRONMENT
    params:
        name=lambda w: w.table,
        view=asdict(VIEW),
        code=lambda w: fingerprint.code("tokred.artifacts.render", f"tokred.artifacts.{w.table}"),
    script:
        "../workflow/scripts/render.py"


rule claims:
    input:
        unpack(lambda w: claimed_tables()),
    output:
        csv=f"{RESULTS}/claims.csv",
        md=f"{RESULTS}/claims.md",
    log:
        f"{LOGS}/claims.log",
    conda:
        ENVIRONMENT
    params:
        view=asdict(VIEW),
        code=fingerprint.code("tokred.claims.verdicts"),
    script:
        "../workflow/scripts/claims.py"
