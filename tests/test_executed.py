"""The option `--all-modules`: which modules count as reached by tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.executed import ELSEWHERE, PACKAGE, Recorder, modules_with_functions, within
from tokred.metrics import chance


def finished(recorder: Recorder) -> tuple[int, list[str]]:
    """Exit status of a session that ends with what a recorder has seen, and what it says is missing."""
    session = SimpleNamespace(config=SimpleNamespace(), exitstatus=0)
    recorder.pytest_sessionfinish(session)
    return session.exitstatus, recorder._missing


def test_modules_are_known_with_whether_they_have_functions() -> None:
    found = modules_with_functions()
    assert found["metrics/chance.py"]
    assert not found["metrics/__init__.py"]
    assert len(found) == len(list(PACKAGE.rglob("*.py")))


def test_importing_a_module_with_functions_is_not_enough() -> None:
    status, missing = finished(Recorder())
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "metrics/chance.py: no fast test runs a function of it" in missing


def test_a_function_that_ran_counts_for_its_module() -> None:
    recorder = Recorder()
    run_test(recorder, {"fast"})
    _, missing = finished(recorder)
    assert [line for line in missing if line.startswith("metrics/chance.py")] == []
    assert "metrics/depth.py: no fast test runs a function of it" in missing


def test_slow_tests_do_not_count() -> None:
    recorder = Recorder()
    run_test(recorder, {"slow"})
    assert "metrics/chance.py: no fast test runs a function of it" in finished(recorder)[1]


def test_what_a_slow_test_left_in_a_cache_is_made_again() -> None:
    recorder = Recorder()
    for markers in ({"slow"}, {"fast"}):
        run_test(recorder, markers, kept_seeds)
    assert [line for line in finished(recorder)[1] if line.startswith("metrics/chance.py")] == []


@cache
def kept_seeds() -> None:
    chance.image_seeds(0, ["a"])


def run_test(
    recorder: Recorder, markers: set[str], test: Callable[[], object] = lambda: chance.image_seeds(0, ["a"])
) -> None:
    """What a recorder sees of a test, by default one that calls a function of `metrics/chance.py`."""
    item = SimpleNamespace(
        get_closest_marker=lambda name: name if name in markers else None, path=Path(__file__)
    )
    run = recorder.pytest_runtest_protocol(item)
    next(run)
    test()
    with pytest.raises(StopIteration):
        run.send(None)


@pytest.mark.slow
def test_a_worker_tells_the_main_process() -> None:
    recorder, everything = Recorder(), list(modules_with_functions())
    node = SimpleNamespace(workeroutput={"imported": everything, "executed": everything[:-1]})
    recorder.pytest_testnodedown(node, None)
    recorder.pytest_testnodedown(SimpleNamespace(workeroutput={"executed": everything[-1:]}), None)
    assert finished(recorder) == (0, [])


def test_other_files_do_not_count() -> None:
    assert within(__file__) is None
    assert within(None) is None
    assert within(chance.__file__) == "metrics/chance.py"


def test_exceptions_name_programs_and_their_tests() -> None:
    for module, test in ELSEWHERE.items():
        text = (PACKAGE / module).read_text(encoding="utf-8")
        assert module.endswith("__main__.py") or 'if __name__ == "__main__":' in text
        assert (PACKAGE.parent / test).is_file()
