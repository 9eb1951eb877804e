"""What the Snakefile needs of Snakemake."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from snakemake.settings.types import MaxJobsPerTimespan, SchedulingSettings

from tokred.orchestration.snakefile import look_for_jobs_when_one_ends


@pytest.mark.parametrize(("given", "stays"), [("100/1s", False), ("5/1s", True), ("100/1m", True)])
def test_only_the_default_limit_goes(given: str, stays: bool) -> None:
    settings = SchedulingSettings(max_jobs_per_timespan=MaxJobsPerTimespan.parse_choice(given))
    scheduler = SimpleNamespace(job_rate_limiter="limiter")
    look_for_jobs_when_one_ends(SimpleNamespace(scheduling_settings=settings, scheduler=scheduler))
    assert scheduler.job_rate_limiter == ("limiter" if stays else None)
