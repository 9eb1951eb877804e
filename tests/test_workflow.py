"""What the Snakefile needs of Snakemake."""

from __future__ import annotations

import pytest
from snakemake.settings.types import MaxJobsPerTimespan, SchedulingSettings

from tokred.workflow import look_for_jobs_when_one_ends


@pytest.mark.parametrize(("given", "left"), [("100/1s", None), ("5/1s", 5), ("100/1m", 100)])
def test_only_the_default_limit_goes(given: str, left: int | None) -> None:
    settings = SchedulingSettings(max_jobs_per_timespan=MaxJobsPerTimespan.parse_choice(given))
    look_for_jobs_when_one_ends(settings)
    limit = settings.max_jobs_per_timespan
    assert (limit and limit.max_jobs) == left


def test_no_limit_stays_none() -> None:
    look_for_jobs_when_one_ends(None)
    settings = SchedulingSettings()
    look_for_jobs_when_one_ends(settings)
    assert settings.max_jobs_per_timespan is None
