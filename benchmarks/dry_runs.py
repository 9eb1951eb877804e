"""How long the workflow thinks before a job starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.calls import ROOT, SMOKE, Call, snakemake
from benchmarks.row import Goal, Row, Scale

_PAPER, _DEFAULT = Goal("<=", 15), Goal("<=", 5)


def pretend_done(folder: Path, *study: str) -> int:
    """Number of files of a study that now look made, though they are empty."""
    summary = snakemake(folder, "--summary", *study).printed.splitlines()
    files = [folder / line.partition("\t")[0] for line in summary if line.startswith("results/")]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    snakemake(folder, "--touch", "--quiet", "all", *study)
    return len(files)


def measure(scale: Scale) -> Iterator[Row]:
    """Processor time of Snakemake's one thread; dry runs throughout, so that no job starts by mistake."""
    study = SMOKE if scale.tiny else ("--configfile", str(ROOT / "workflow/studies/paper.yaml"))
    planned = min((snakemake(scale.folder / "plan", "-n", *study) for _ in range(scale.of(3, 1))), key=_cpu)
    yield _row("snakemake -n of the paper's study", planned, _PAPER, f"{_jobs(planned)} jobs")
    study, folder = SMOKE if scale.tiny else (), scale.folder / "done"
    files = pretend_done(folder, *study)
    nothing = min((snakemake(folder, "-n", *study) for _ in range(scale.of(3, 1))), key=_cpu)
    if "Nothing to be done" not in nothing.printed:
        raise RuntimeError(f"expected a finished study: {nothing.printed[-2000:]}")
    yield _row("the default study, when nothing is to be done", nothing, _DEFAULT, f"{files} files")


def _cpu(call: Call) -> float:
    return call.cpu


def _row(case: str, call: Call, goal: Goal, what: str) -> Row:
    return Row(case, call.cpu, "s", goal, f"{what}; {call.wall:.1f} s wall beside other work")


def _jobs(call: Call) -> int:
    """Number of jobs that a dry run prints."""
    return int(next(line for line in call.printed.splitlines() if line.startswith("total")).split()[1])
