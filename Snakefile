"""tokred: token reduction in Vision Transformers. A study as a graph of jobs.

snakemake --cores all                                        the default study, config.yaml
snakemake --cores all --configfile workflow/studies/X.yaml   another study
snakemake --cores all results/default/figures/figure3.pdf    one figure
snakemake --cores all search --configfile X.yaml             the search of hyperparameters, docs/search.md
snakemake --cores all efficiency                             times and memory on this machine, docs/efficiency.md
"""

import sys

from snakemake.utils import min_version

min_version("9.3")
sys.path.insert(0, workflow.basedir)  # import the package beside this file, not an installed one


configfile: f"{workflow.basedir}/config.yaml"


report: "workflow/report/study.rst"


include: "rules/common.smk"
include: "rules/resources.smk"
include: "rules/datasets.smk"
include: "rules/train.smk"
include: "rules/search.smk"
include: "rules/extract.smk"
include: "rules/compare.smk"
include: "rules/efficiency.smk"
include: "rules/artifacts.smk"
include: "rules/explorer.smk"
include: "rules/benchmarks.smk"


localrules:
    all,
    efficiency,


rule all:
    default_target: True
    input:
        ARTIFACTS.files(),
        rules.claims.output,
        rules.lineage.output,
        ARTIFACTS.pages(),
    message:
        MESSAGE


onstart:
    disable_default_job_rate_limit(workflow)
    start_worker()
