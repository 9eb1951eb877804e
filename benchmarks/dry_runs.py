"""Time that Snakemake needs before the first job starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.calls import ROOT, SMOKE, Call, snakemake
from benchmarks.row import Goal, Row, Scale

_PAPER, _DEFAULT = Goal("<=", 15), Goal("<=", 5)


def pretend_done(folder: Path, *study: str) -> int:
    """Create empty files in place of a study's results; returns their number."""
    summary = snakemake(folder, "--summary", *study).printed.splitlines()
    files = [folder / line.partition("\t")[0] for line in summary if line.startswith("results/")]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    snakemake(folder, "--touch", "--quiet", "all", *study)
    return len(files)


def measure(scale: Scale) -> Iterator[Row]:
    """Processor time of Snakemake's single thread; all calls are dry runs, so that no job starts."""
    name = "smoke" if scale.tiny else "paper"
    study = ("--configfile", str(ROOT / f"workflow/studies/{name}.yaml"))
    planned = _fastest(scale, "plan", *study)
    yield _row("snakemake -n of the paper's study", planned, _PAPER, f"{_jobs(planned)} jobs")
    figure = _fastest(scale, "plan", f"results/{name}/figures/figure3.pdf", *study)
    yield _row("the same for its Figure 3", figure, _PAPER, f"{_jobs(figure)} jobs")
    study = SMOKE if scale.tiny else ()
    files = pretend_done(scale.folder / "done", *study)
    nothing = _fastest(scale, "done", *study)
    if "Nothing to be done" not in nothing.printed:
        raise RuntimeError(f"expected a finished study: {nothing.printed[-2000:]}")
    yield _row("the default study, when nothing is to be done", nothing, _DEFAULT, f"{files} files")


def _fastest(scale: Scale, folder: str, *arguments: str) -> Call:
    calls = (snakemake(scale.folder / folder, "-n", *arguments) for _ in range(scale.of(3, 1)))
    return min(calls, key=lambda call: call.cpu)


def _row(case: str, call: Call, goal: Goal, description: str) -> Row:
    return Row(case, call.cpu, "s", goal, f"{description}; {call.wall:.1f} s wall beside other work")


def _jobs(call: Call) -> int:
    """Number of jobs that a dry run prints."""
    return int(next(line for line in call.printed.splitlines() if line.startswith("total")).split()[1])
