"""The explorer: one page with the study's images, patterns, depth maps and scores."""


rule explorer:
    input:
        unpack(explorer_inputs),
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
        short_jobs=1,
        mem_mb=memory_by_input,
        runtime=minutes_by_input,
    params:
        view=asdict(VIEW),
        framing={name: framing_of(name) for name in streamed_datasets()},
        methods=METHOD_FACTS,
        code=lambda w: CODE.explorer(),
        assets=[fingerprint.file(path) for path in page_assets()],
    script:
        "../workflow/scripts/explorer.py"
