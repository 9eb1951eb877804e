"""Measure all benchmarks, print what comes out, and write it to the table in benchmarks/results."""

import subprocess
import sys

command = [sys.executable, "-u", "-m", "benchmarks"]
with (
    open(snakemake.log[0], "w", encoding="utf-8") as log,
    subprocess.Popen(command, cwd=snakemake.params.root, stdout=subprocess.PIPE, encoding="utf-8") as process,
):
    for line in process.stdout:
        print(line, end="", flush=True)
        log.write(line)
sys.exit(process.returncode)
