"""Figures and tables, each a target of its own."""

#: Artifacts that the study can have.
STUDY_ARTIFACTS = [name for name, artifact in ARTIFACTS.items() if artifact.obstacle(VIEW) is None]
#: Path of each table's slices below the metrics.
SLICES = {"backbones": "{dataset}/{seed}", "datasets": "{backbone}/{seed}"}


def artifact_files(names):
    """All files of some artifacts."""
    return [
        f"{RESULTS}/{ARTIFACTS[name].kind}s/{name}.{suffix}" for name in names for suffix in ARTIFACTS[name].formats
    ]


def table_files(table):
    """Files of all slices of a table."""
    if table == "scores":
        return paths("scores")
    pattern = f"{METRICS}/{table}/{SLICES.get(table, SLICE)}.parquet"
    return sorted(set(expand(pattern, dataset=STUDY.datasets, backbone=STUDY.backbones, seed=STUDY.seeds)))


def tables_of(name):
    """Input function's answer for an artifact: the files of each table that it needs."""
    obstacle = ARTIFACTS[name].obstacle(VIEW)
    if obstacle is not None:
        raise WorkflowError(obstacle)
    return {table: table_files(table) for table in ARTIFACTS[name].needs}


rule figure:
    input:
        unpack(lambda w: tables_of(w.figure)),
    output:
        multiext(f"{RESULTS}/figures/{{figure}}", ".pdf", ".png"),
    params:
        name=lambda w: w.figure,
        view=asdict(VIEW),
        code=lambda w: fingerprint.code("tokred.artifacts.render", f"tokred.artifacts.{w.figure}"),
    log:
        f"{LOGS}/figure/{{figure}}.log",
    conda:
        ENVIRONMENT
    script:
        "../workflow/scripts/render.py"


rule table:
    input:
        unpack(lambda w: tables_of(w.table)),
    output:
        multiext(f"{RESULTS}/tables/{{table}}", ".csv", ".md", ".tex"),
    params:
        name=lambda w: w.table,
        view=asdict(VIEW),
        code=lambda w: fingerprint.code("tokred.artifacts.render", f"tokred.artifacts.{w.table}"),
    log:
        f"{LOGS}/table/{{table}}.log",
    conda:
        ENVIRONMENT
    script:
        "../workflow/scripts/render.py"
