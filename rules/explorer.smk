"""The explorer: one page with the study's images, patterns, depth maps and scores."""


rule explorer:
    input:
        unpack(lambda w: ARTIFACTS.explorer_inputs()),
    output:
        page=report(
            f"{RESULTS}/explorer.html",
            caption="../workflow/report/explorer.rst",
            category="Explorer",
            labels={"artifact": "Explorer", "shows": "Patterns of all methods side by side"},
        ),
    log:
        f"{LOGS}/explorer/explorer.log",
    group:
        shared("artifacts")
    conda:
        ENVIRONMENT
    resources:
        **SHORT,
    params:
        job=JOBS["explorer"],
        takes=["inputs", "outputs"],
        arguments={"view": PLAN.view_values, "framing": DATA.framings()},
        methods=PLAN.method_facts,
        code=lambda w: PLAN.code.explorer(),
        assets=[fingerprint.file(path) for path in page_assets()],
    message:
        MESSAGE
    script:
        "../workflow/scripts/run_job.py"
