"""All plans of a study."""

from __future__ import annotations

from tokred.orchestration.artifact_plan import ArtifactPlan
from tokred.orchestration.data_plan import DataPlan
from tokred.orchestration.model_plan import ModelPlan
from tokred.orchestration.plan import Plan
from tokred.orchestration.search_plan import SearchPlan
from tokred.orchestration.table_plan import TablePlan
from tokred.study.study import Study


class Plans:
    """All plans of a study."""

    def __init__(self, study: Study) -> None:
        self.plan = Plan(study)
        self.data = DataPlan(self.plan)
        self.models = ModelPlan(self.plan, self.data)
        self.tables = TablePlan(self.plan, self.data)
        self.artifacts = ArtifactPlan(self.plan, self.data, self.tables)

    @property
    def search(self) -> SearchPlan:
        return SearchPlan(self.plan, self.data, self.models)
