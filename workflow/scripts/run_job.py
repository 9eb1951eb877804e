"""Run the function that a rule names, with the arguments that its `params` give.

`job`: "module:function". `arguments`: its keyword arguments. They must not depend on the job's files, as
Snakemake does not rerun jobs when such parameters change. `files`: keyword arguments that depend on the job's
files. `takes`: names of further arguments, of "inputs" and "outputs" (paths by name, if there are any),
"threads" and "hardware". `of_package`: by argument, the path of a file below the package, and its hash (an
absolute path would rerun jobs when the checkout moves). `as_one`: name of a single argument that gets all of
these as a mapping.
"""

import json
import os
from pathlib import Path

import tokred
from tokred.orchestration.job_runner import HARDWARE, run_job


def by_name(files):
    """Paths, or lists of paths, by name."""
    return {name: paths if isinstance(paths, str) else list(paths) for name, paths in files.items()}


params = snakemake.params
available = {
    "inputs": by_name(snakemake.input),
    "outputs": by_name(snakemake.output),
    "threads": snakemake.threads,
    "hardware": json.loads(os.environ[HARDWARE]),
}
arguments = {**params.get("arguments", {}), **params.get("files", {})}
arguments |= {name: available[name] for name in params.takes if available[name]}
for name, (path, _) in params.get("of_package", {}).items():
    arguments[name] = str(Path(tokred.__file__).parent / path)
if "as_one" in params.keys():  # noqa: SIM118
    arguments = {params.as_one: arguments}
run_job(params.job, arguments, log=snakemake.log[0], threads=snakemake.threads)
