"""The validated study, and the plans of its jobs, from which rules take paths, inputs and arguments."""

from tokred import fingerprint
from tokred.explorer.page import assets as page_assets
from tokred.orchestration import job_runner
from tokred.orchestration.artifact_plan import ArtifactPlan
from tokred.orchestration.data_plan import DataPlan
from tokred.orchestration.messages import Message, Messages
from tokred.orchestration.model_plan import ModelPlan
from tokred.orchestration.plan import Plan
from tokred.orchestration.rule_code import JOBS, MAKE_TABLE
from tokred.orchestration.search_plan import CELL, TRIAL, TRIAL_NAME, SearchPlan
from tokred.orchestration.snakefile import disable_default_job_rate_limit, explain_errors, prepare_environment
from tokred.orchestration.table_plan import TablePlan
from tokred.settings import parse as parse_config
from tokred.run import RUN_PATH
from tokred.study.study import Study

with explain_errors():
    STUDY = parse_config(Study, config, f"study {config.get('study', '')}")

prepare_environment(workflow.basedir, STUDY.hardware)
PLAN = Plan(STUDY, keep_code=True)
DATA = DataPlan(PLAN)
MODELS = ModelPlan(PLAN, DATA)
TABLES = TablePlan(PLAN, DATA)
ARTIFACTS = ArtifactPlan(PLAN, DATA, TABLES)
SEARCH = SearchPlan(PLAN, DATA, MODELS)
MESSAGES = Messages(STUDY)
MESSAGE = Message(lambda: workflow.dryrun)
RESULTS, LOGS = PLAN.results, PLAN.logs
ENVIRONMENT = f"../envs/{STUDY.environment}.yaml"


wildcard_constraints:
    **PLAN.wildcard_constraints,
    trial=TRIAL_NAME,


def start_worker():
    """Import torch once for all jobs on this machine; clusters and conda environments have no worker."""
    if workflow.local_exec and not workflow.deployment_settings.deployment_method:
        job_runner.start()


# Checked here, as Snakemake adds further lines to errors of input functions.
TABLES.scores_to_compare_with()
