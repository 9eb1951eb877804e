"""What contributors rely on: one version, pinned dependencies, hooks, the container, examples, pages."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import tokred
from benchmarks.study import write_patterns
from tokred.run import Run
from tokred.tables.registry import TABLES

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
#: Files that CONTRIBUTING.md has people write.
NEW = {
    "tokred/metrics/cosine.py",
    "tokred/comparison/seeds.py",
    "tokred/data/adapters/stripes.py",
    "tokred/artifacts/losses.py",
}
#: The same of README.md.
README_NEW = {"tokred/methods/evenly.py"}


def test_one_version() -> None:
    """It is in the package; the metadata read it there, citation and changelog agree with it."""
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "tokred.__version__"}
    tree = ast.parse((ROOT / "tokred/__init__.py").read_text())
    values = [n.value for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "__version__"]
    assert [value.value for value in values] == [tokred.__version__]  # a literal: read without an import
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == tokred.__version__


def test_types_come_with_the_package() -> None:
    assert (ROOT / "tokred/py.typed").is_file()
    assert "py.typed" in PROJECT["tool"]["setuptools"]["package-data"]["tokred"]
    assert PROJECT["tool"]["mypy"]["strict"]


def test_changelog() -> None:
    heads = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert heads[0] == "Unreleased" or heads[0].startswith(f"{tokred.__version__} ")
    released = [re.fullmatch(r"(\S+) \(\d{4}-\d{2}-\d{2}\)", head) for head in heads if head != "Unreleased"]
    assert all(released)
    versions = [Version(head[1]) for head in released]
    assert versions == sorted(versions, reverse=True)
    assert versions[0] == Version(tokred.__version__)


def pins() -> dict[str, Version]:
    """Exact versions by canonical name."""
    lines = (ROOT / "envs/constraints.txt").read_text().splitlines()
    lines = [line for line in lines if not line.startswith("#")]
    found = dict(re.fullmatch(r"([a-z0-9-]+)==(\S+)", line).groups() for line in lines)
    assert len(found) == len(lines)
    return {name: Version(version) for name, version in found.items()}


def test_constraints_are_within_the_bounds() -> None:
    found = pins()
    project = PROJECT["project"]
    texts = [
        *project["dependencies"],
        *(text for e in project["optional-dependencies"].values() for text in e),
    ]
    for requirement in map(Requirement, texts):
        version = found[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement}: {version} is pinned"


def test_constraints_are_of_no_single_platform() -> None:
    found = pins()
    assert not [name for name in found if name.startswith(("nvidia", "cuda", "triton", "tokred"))]
    assert not [name for name, version in found.items() if version.local]


def test_hooks_use_the_installed_linters() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    hooks = config["repos"][0]["hooks"]
    assert [hook["id"] for hook in hooks] == ["ruff", "ruff-format", "snakefmt", "mypy", "lint-imports"]
    for hook in hooks:
        assert hook["language"] == "system"
        assert shutil.which(hook["entry"].split()[0]), "not among the extra `test`"
    rules = [path.relative_to(ROOT).as_posix() for path in (ROOT / "rules").iterdir()]
    assert all(re.search(hooks[2]["files"], path) for path in [*rules, "Snakefile"])


def test_workflow_file_runs_everything() -> None:
    (path,) = (ROOT / ".github/workflows").iterdir()
    workflow = yaml.safe_load(path.read_text())
    assert {"push", "pull_request"} <= set(workflow[True])  # to YAML, `on` is a boolean
    (job,) = workflow["jobs"].values()
    assert job["steps"][-1] == {"run": ".ci/run"}
    assert (ROOT / re.search(r"envs/\S+\.txt", job["env"]["PIP_CONSTRAINT"])[0]).is_file()


def instructions() -> list[tuple[str, str]]:
    """Keyword and argument of each instruction of the Containerfile."""
    text = (ROOT / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(keyword, rest.strip()) for keyword, _, rest in (line.partition(" ") for line in lines)]


@pytest.mark.slow
def test_container(tmp_path: Path) -> None:
    """Its instructions are known, what they name exists, and its command plans the default study."""
    found = instructions()
    assert [keyword for keyword, _ in found] == [
        "FROM", "ENV", "WORKDIR", "COPY", "RUN", "WORKDIR", "ENTRYPOINT", "CMD",
    ]  # fmt: skip
    by_keyword = dict(found)
    assert Version(re.search(r"python:([\d.]+)-slim", by_keyword["FROM"])[1]) >= Version("3.11")
    assert all("=" in word for word in by_keyword["ENV"].split())
    words = shlex.split(by_keyword["RUN"])
    assert (ROOT / words[words.index("--constraint") + 1]).is_file()
    entry, arguments = json.loads(by_keyword["ENTRYPOINT"]), json.loads(by_keyword["CMD"])
    entry = [word.replace("/tokred/", f"{ROOT}/") for word in entry]
    command = [sys.executable, "-m", *entry, *arguments, "-n"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert re.search(r"^train +156$", done.stdout + done.stderr, re.M)


def test_image_lacks_only_what_it_does_not_need() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    needed = ("Snakefile", "config.yaml", "rules", "workflow", "tokred", "envs", "profiles", "pyproject.toml")
    assert not set(lines) & {*needed, "README.md", "benchmarks"}  # the metadata contain the README


def additions() -> list[tuple[str, str, str]]:
    """Examples of CONTRIBUTING.md: the path in the sentence before, the list in it if any, the code."""
    found = re.findall(r"([^\n]+(?:\n[^\n]+)*):\n\n```python\n(.*?)```", CONTRIBUTING, re.S)
    places = [
        (re.findall(r"`(tokred/\S+\.py)`", said)[-1], re.search(r"end of the list `(\w+)`", said), code)
        for said, code in found
    ]
    return [(path, name[1] if name else "", code) for path, name, code in places]


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package to which everything is added as CONTRIBUTING.md says."""
    root = tmp_path_factory.mktemp("changed")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "tokred", root / "tokred", ignore=ignored)
    for path, name, code in additions():
        file = root / path
        if path in NEW and not name:
            assert not file.exists()
            file.write_text(code)
        elif name:
            text = file.read_text()
            start = max(text.rfind(f"\n{name} = ["), text.rfind(f"\n{name} += ["))
            end = text.index("\n]\n", start) + 1
            file.write_text(text[:end] + code + text[end:])
        else:  # a function, before the list that names it
            file.write_text(file.read_text().replace("\nCLAIMS = [", f"\n{code}\n\nCLAIMS = ["))
    return root


#: What uses all additions, in a process that has the changed package.
_USE = """
import doctest
import numpy as np
import pandas as pd
import tokred.metrics.cosine
from tokred.artifacts.registry import ARTIFACTS
from tokred.study.view import View
from tokred.claims.claim import Evidence
from tokred.claims.verdicts import GROUPS
from tokred.comparison.datasets import compare_maps
from tokred.data.registry import ADAPTERS
from tokred.metrics.registry import METRICS

assert doctest.testmod(tokred.metrics.cosine) == (0, 1)
angle = METRICS["cosine"].load()(np.array([1.0, 0.0]), np.array([1.0, 1.0]), (1, 2))
assert abs(angle - np.sqrt(0.5)) < 1e-9
runs = {"backbone": "vit_nano", "method": "topk", "keep_rate": "0.50", "seed": 0}
depth = [{**runs, "dataset": d, "token": t, "depth": 3.0 + t} for d in ("digits", "stripes") for t in (0, 1)]
pairs = pd.DataFrame(compare_maps(pd.DataFrame(depth), (1, 2)))
assert abs(pairs.set_index("metric")["mean"]["cosine"] - 1) < 1e-9

info, images = ADAPTERS["stripes"].load()("train", ADAPTERS["stripes"].check_options({"num_train": 4}))
images = list(images)
for image in images:
    image.check_label(info)
assert [image.label for image in images] == [0, 1, 0, 1]

labels = {"digits": "Digits", "stripes": "Stripes"}
view = View("mine", labels, {"vit_nano": "ViT-Nano"}, ("topk",), ("0.50",), (0,), (3, 6, 9), (1, 2), 12)
losses = (("digits", 1), ("stripes", 2))
scores = pd.DataFrame([{**runs, "dataset": name, "loss": loss} for name, loss in losses])
artifact = ARTIFACTS["losses"]
assert artifact.unavailable_reason(view) is None and artifact.topic == "Performance"
lines = artifact.make({"scores": scores}, view).csv().splitlines()
assert lines[1].split(",")[0] == "Top-K" and [float(x) for x in lines[1].split(",")[1:]] == [1, 2], lines

(claim,) = [c for group in GROUPS.values() for c in group if c.name == "static_pruning_correlates"]
for mean, holds in ((0.9, True), (0.3, False)):
    evidence = Evidence({"datasets": pairs.assign(mean=mean)}, view)
    assert claim.check(evidence).holds == holds
"""


@pytest.mark.slow
def test_additions_are_one_file_and_one_line(changed: Path) -> None:
    assert len(additions()) == 10
    assert {path for path, name, _ in additions() if not name} == NEW | {"tokred/claims/averages.py"}
    environment = {"PYTHONPATH": str(changed), "PATH": "/usr/bin"}
    command = [sys.executable, "-W", "error", "-c", _USE]
    done = subprocess.run(command, env=environment, cwd=changed, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_an_added_comparison_runs(changed: Path, tmp_path: Path) -> None:
    """The workflow makes its table, `tokred.load` reads it, and nothing else is planned."""
    for name in ("Snakefile", "config.yaml", "rules", "workflow", "envs", "profiles"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, changed / name)
    for method, seed in (("none", 0), ("none", 1), ("topk", 0), ("topk", 1)):
        run = Run("digits", "vit_nano", method, "1.00" if method == "none" else "0.50", seed)
        write_patterns(tmp_path / "results/mine", run, 12)
    study = {"study": "mine", "datasets": ["digits"], "backbones": ["vit_nano"], "methods": ["topk"]}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({**study, "keep_rates": [0.5], "seeds": [0, 1]}))
    table = "results/mine/metrics/seeds/digits/vit_nano.parquet"
    command = [sys.executable, "-m", "snakemake", table, "--snakefile", str(changed / "Snakefile")]
    command += ["--cores", "1", "--configfile", "mine.yaml", "--allowed-rules", "compare_seeds"]
    environment = {**os.environ, "PYTHONPATH": str(changed)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed[-3000:]
    assert "Compare seeds: Digits, ViT-Nano" in printed
    assert "1 of 1 steps (100%) done" in printed
    read = "import tokred; print(len(tokred.load('mine').table('seeds', method='topk')))"
    command = [sys.executable, "-c", read]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "3", done.stderr[-2000:]  # a pair of seeds at three stages


def test_examples_are_formatted(changed: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", changed)
    files = sorted({path for path, _, _ in additions()})
    for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = subprocess.run(["ruff", *command, *files], cwd=changed, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


PAGES = sorted(p.relative_to(ROOT).as_posix() for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page: str) -> None:
    """On a code host, where pages are read as they are in the repository."""
    links = re.findall(
        r"\]\(([^)#:]+)(?:#[^)]*)?\)", re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.S)
    )
    assert not [link for link in links if not (ROOT / page).parent.joinpath(link).exists()]


@pytest.mark.parametrize("page", [page for page in PAGES if page != "CHANGELOG.md"])
def test_files_that_pages_mention_exist(page: str) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.S)
    folders = r"tokred|tests|rules|workflow|envs|docs|profiles|benchmarks|\.ci"
    mentioned = set(re.findall(rf"`((?:{folders})/[\w./-]*)`", text)) - NEW - README_NEW
    assert not [path for path in mentioned if not (ROOT / path).exists()]


def test_architecture_names_every_rule_and_room() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    rules = set(re.findall(r"^rule (\w+):", "".join(p.read_text() for p in ROOT.glob("rules/*.smk")), re.M))
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\|[^|]*\|([^|]*)\|", text, re.M))))
    assert rules <= named
    tables = {table.rule for table in TABLES.values()}
    assert tables <= named
    (picture,) = re.findall(r"```mermaid\n(.*?)```", text, re.S)
    drawn = set(re.findall(r"\b[a-z_]{5,}\b", re.sub(r"--.*?-->|\w+\[\(.*?\)\]|\w+\[", "", picture)))
    assert drawn - {"flowchart", "report"} <= rules | tables | {"compare", "compare_", "proxies", "examples"}
    modules = {path.name for path in (ROOT / "tokred").glob("*.py")} - {"__init__.py"}
    assert modules <= set(re.findall(r"`(\w+\.py)`", text))
    rooms = {path.parent.name for path in (ROOT / "tokred").glob("*/__init__.py")}
    assert rooms == set(re.findall(r"^\| `tokred/(\w+)/`", text, re.M))


def test_glossary_says_where_each_name_is() -> None:
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \| `([^|]+)` \|", (ROOT / "docs/glossary.md").read_text(), re.M)
    assert len(rows) >= 50
    for name, path in rows:
        text = f"{path} {(ROOT / path).read_text()}"
        assert re.search(rf"\b{name.strip('`')}\b", text), f"{path} has no {name}"
