"""The explorer: one page with the study's images, patterns, depth maps and scores."""


rule explorer:
    input:
        unpack(explorer_inputs),
    output:
        page=f"{RESULTS}/explorer.html",
    log:
        f"{LOGS}/explorer/explorer.log",
    conda:
        ENVIRONMENT
    params:
        view=asdict(VIEW),
        code=fingerprint.code("tokred.explorer.build"),
        assets=[fingerprint.file(path) for path in page_assets()],
    script:
        "../workflow/scripts/explorer.py"
