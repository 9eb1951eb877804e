"""python -m benchmarks [names]: measure, print, and write the table of results."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks import registry, results
from benchmarks.process import alone
from benchmarks.row import ALL, Scale

_HERE = Path(__file__).parent
#: The document that shows the table of `benchmarks/results`.
_DOCUMENT = _HERE.parent / "docs/performance.md"


def main(arguments: list[str] | None = None) -> None:
    """Run the named benchmarks, or all that need no GPU, each in a separate process."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = ", ".join(registry.BENCHMARKS)
    parser.add_argument("names", nargs="*", help=f"any of {names}; default: all that need no GPU")
    parser.add_argument(
        "--tiny", action="store_true", help="smallest sizes, to test that benchmarks run; needs --results"
    )
    parser.add_argument("--results", type=Path, help="folder of the table; default: benchmarks/results")
    parser.add_argument(
        "--images", type=int, default=ALL, help=f"number of images in the benchmark `stage`; default: {ALL}"
    )
    parser.add_argument("--threads", type=int, help="number of threads; needs --results")
    options = parser.parse_args(arguments)
    if (options.tiny or options.threads) and options.results is None:
        parser.error(
            "--tiny and --threads would change the table in benchmarks/results: expected --results as well"
        )
    default = [name for name, benchmark in registry.BENCHMARKS.items() if benchmark.by_default]
    chosen = [registry.get(name).name for name in options.names] or default
    folder = options.results or _HERE / "results"
    for name in chosen:
        with tempfile.TemporaryDirectory() as scratch:
            task = registry.measure, name, Scale(Path(scratch), options.tiny, options.images)
            rows = alone(*task, threads=options.threads or registry.get(name).threads).value
        lines = results.lines_of(name, rows)
        for line in lines:
            print(_text(line), flush=True)
        results.write(folder, lines, list(registry.BENCHMARKS))
    if options.results is None:
        results.show(_DOCUMENT, (folder / "benchmarks.md").read_text(encoding="utf-8"))


def _text(line: results.Line) -> str:
    goal = f", goal {line['goal']}: {line['met']}" if line["goal"] else ""
    note = f" ({line['note']})" if line["note"] else ""
    return f"{line['benchmark']}: {line['case']}: {line['value']} {line['unit']}{goal}{note}"


if __name__ == "__main__":
    main()
