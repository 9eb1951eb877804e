"""Made-up patterns keep the token budget and are nested, as those of methods."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks import study
from benchmarks.synthetic import TOKENS, clusters, survivors
from tokred.comparison.runs import open_runs
from tokred.methods.registry import PAPER
from tokred.schedules.budget import token_budget
from tokred.tables import patterns


@pytest.mark.parametrize("rate", study.RATES)
def test_survivors(rate: str) -> None:
    found = survivors(np.random.default_rng(0), 30, rate)
    for stage in (1, 2, 3):
        assert ((found >= stage).sum(axis=1) == token_budget(TOKENS, rate, stage)).all()
    assert (found[0] != found[1]).any()


@pytest.mark.parametrize("rate", study.RATES)
def test_clusters(rate: str) -> None:
    stages = clusters(np.random.default_rng(0), 300, rate)
    for number, labels in enumerate(stages, 1):
        assert labels.shape == (300, TOKENS)
        assert labels.dtype == np.int16
        assert set(np.unique(labels[7])) == set(range(token_budget(TOKENS, rate, number)))
    for fine, coarse in pairwise(stages):
        for image in (0, 299):
            pairs = set(zip(fine[image].tolist(), coarse[image].tolist(), strict=True))
            assert len(pairs) == len(set(fine[image]))


def test_a_study_has_what_methods_have(tmp_path: Path) -> None:
    paths = [study.write_patterns(tmp_path, run, 9) for run in study.runs(("0.25", "0.50"))]
    files = open_runs(paths)
    assert len(files) == 1 + 12 + 13
    for file in files:
        stored = patterns.read(file.path)
        assert (stored.survived is not None) == (file.method.kept or not file.method.target)
        assert (stored.clusters is not None) == file.method.clusters
        assert len(stored.image_ids) == 9
    assert {file.run.method for file in files} == {"none", *PAPER}
