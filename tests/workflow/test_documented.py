"""Every command and configuration in README and docs works; untested ones are listed with a reason.

The graphs of jobs are real. What the jobs do is tried by the studies of the other tests of this folder.
"""

from __future__ import annotations

import re
import shlex
import shutil
from importlib.util import find_spec
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import yaml

from benchmarks.registry import BENCHMARKS
from tests.search.studies import write_search
from tests.workflow.conftest import ROOT, call_each
from tests.workflow.documented import PROGRAMS, Block, blocks, commands, is_own
from tests.workflow.random_studies import graph, whole

BLOCKS = blocks()
#: Commands that are not tried, by their first words, and why.
UNTRIED = {
    "pip install": "installs packages; .ci/run does it in a fresh environment",
    "pytest": "this is it",
    ".ci/run": "runs the tests",
    "mkdocs build": "tests/test_site.py builds the site",
    "apt-get install": "installs system packages; .ci/run does it",
    "python -c import timm": "needs the network",
    "python -m tokred.study": "tests/study/test_schema.py compares it with the stored schema",
    "export HF_": "sets a variable of huggingface_hub",
    "scancel --name": "needs SLURM jobs; tests/slurm has some",
    "scontrol show": "needs SLURM's controller",
    "snakemake --report": "needs a finished study: tests/workflow/test_artifacts.py::test_report",
}
#: Blocks that are neither commands nor code, by their first line.
TEXTS = {
    "results/<study>/": "folders: test_folders_are_those_of_a_study",
    "flowchart TB": "picture: tests/test_kit.py::test_architecture_names_every_rule_and_room",
    "if self.job_rate_limiter is not None:": "Snakemake's code",
    "rule all:": "of a report to Snakemake: measured for it",
    "import threading, time": "of a report to Snakemake: measured for it",
    "def _schedule_reevaluation_for_rate_limit(self):": "of a report to Snakemake: a proposal",
    "pets/train/cat/1.jpg": "folders, as tests/data/test_image_folder.py has them",
    "        keep  top-1": "output of tokred evaluate with photographs that are not in the repository",
    "# yaml-language-server: ": "a comment; tests/study/test_schema.py::test_editors_find_the_schema",
}
#: Python that is no program by itself, by what it contains, and the test that runs it.
OTHER_PYTHON = {
    "trains and evaluates like the ViT": "test_readme.py::test_the_package_by_itself",
    "class Evenly": "test_readme.py::test_adding_a_method",
    'Method("evenly"': "test_readme.py::test_adding_a_method",
}
STUDIES = [block for block in BLOCKS if block.kind == "yaml" and "default-resources" not in block.text]


def is_untried(command: str) -> bool:
    words = shlex.split(command)
    return any(
        words[: len(start.split())] == start.split() or " ".join(words).startswith(start) for start in UNTRIED
    )


def arguments_of(command: str) -> list[str]:
    """What Snakemake is called with for a documented command or a fragment of options: as it is, but dry."""
    words = shlex.split(command.partition(" | ")[0])
    words = words[1:] if words[0] == "snakemake" else ["--workflow-profile", "profiles/slurm", *words]
    return words if {"-n", "--unlock"} & set(words) else ["-n", *words]


SNAKEMAKE = [
    command for command in commands() if command.startswith(("snakemake", "--")) and not is_untried(command)
]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone as the documentation supposes, with the studies that it shows and the site's profile."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("Snakefile", "config.yaml", "rules", "workflow", "tokred", "envs", "benchmarks"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    if find_spec("snakemake_executor_plugin_slurm") is None:  # an extra: without it there are no such options
        path = folder / "profiles/slurm/config.yaml"
        options = yaml.safe_load(path.read_text())
        kept = {name: value for name, value in options.items() if not name.startswith(("executor", "slurm-"))}
        path.write_text(yaml.safe_dump(kept))
    for block in BLOCKS:
        if block.kind == "yaml":
            values = yaml.safe_load(block.text)
            path = folder / f"{values.get('study', 'unnamed')}.yaml"
            if "default-resources" in values:
                path = folder / "home/.config/snakemake/mysite/config.yaml"
                path.parent.mkdir(parents=True)
            path.write_text(block.text)
    searching = yaml.safe_load((folder / "mine.yaml").read_text())
    written = write_search(tmp_path_factory.mktemp("search"), whole(searching), {})
    (folder / "results/mine/search").mkdir(parents=True)
    shutil.copy(written, folder / "results/mine/search/hyperparameters.yaml")
    return folder


@pytest.fixture(scope="module")
def outcomes(clone: Path) -> dict[str, tuple[int, str]]:
    """Exit status and output of each documented call of Snakemake."""
    home = {"HOME": str(clone / "home"), "XDG_CONFIG_HOME": str(clone / "home/.config")}
    calls = [arguments_of(command) for command in SNAKEMAKE]
    return dict(zip(SNAKEMAKE, call_each(clone, calls, **home), strict=True))


@pytest.mark.parametrize("command", SNAKEMAKE)
def test_snakemake(command: str, outcomes: dict[str, tuple[int, str]]) -> None:
    status, printed = outcomes[command]
    assert status == 0, printed[-3000:]
    if "--unlock" not in command:
        assert "Job stats:" in printed, printed[-3000:]
    if " | grep -o" in command:
        assert re.search(r"mem_mb=\d+, ", printed)


@pytest.mark.parametrize("block", STUDIES, ids=str)
def test_configuration(block: Block, clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone)  # where its files are
    values = yaml.safe_load(block.text)
    jobs = graph(values, clone)
    assert ("train" in jobs) == (values.get("training") != "none")
    assert jobs["claims"] == 1


def other_test(block: Block) -> str | None:
    """The test that runs a passage of Python that is no program by itself."""
    return next((test for marker, test in OTHER_PYTHON.items() if marker in block.text), None)


PROGRAMS_OF_PAGES = {
    page: [b for b in BLOCKS if b.page == page and b.kind == "python" and not other_test(b)]
    for page in sorted({block.page for block in BLOCKS if block.kind == "python"})
}


@pytest.mark.parametrize("page", [page for page, programs in PROGRAMS_OF_PAGES.items() if programs])
def test_python(page: str, smoke: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The passages of a page run one after the other, as a reader would type them."""
    (tmp_path / "results").symlink_to(smoke / "results")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in PROGRAMS_OF_PAGES[page]:
        exec(block.text.replace('load("default")', 'load("smoke")'), names)
        plt.close("all")
        if 'load("default")' in block.text:
            assert names["study"].names


@pytest.mark.parametrize("test", sorted(set(OTHER_PYTHON.values())))
def test_other_python_has_a_test(test: str) -> None:
    file, _, name = test.partition("::")
    assert f"def {name}(" in (Path(__file__).parent / file).read_text()


def test_folders_are_those_of_a_study(smoke: Path) -> None:
    (block,) = [block for block in BLOCKS if block.text.startswith("results/<study>/")]
    for line in block.text.splitlines()[1:]:
        for entry in re.match(r"  (.*?)(?:   |$)", line).group(1).split(", "):
            pattern = (
                entry.strip().replace("<run>", "**/*").replace("<comparison>/...parquet", "**/*.parquet")
            )
            pattern = re.sub(r"<\w+>", "*", pattern).rstrip("/")
            options = re.search(r"\{(.*?)\}", pattern)
            for option in options.group(1).split(",") if options else [""]:
                path = pattern.replace(options.group(0), option) if options else pattern
                if path != "search" and "if asked for" not in line:  # search: of studies with this key
                    assert list((smoke / "results/smoke").glob(path)), line


def test_benchmarks_that_are_named_exist() -> None:
    named = [command.split()[3:] for command in commands() if command.startswith("python -m benchmarks")]
    assert len(named) >= 3
    assert {name for names in named for name in names} <= set(BENCHMARKS)


def test_nothing_is_left_out() -> None:
    for command in commands():
        covered = [command in SNAKEMAKE, is_untried(command), command.startswith("python -m benchmarks")]
        covered.append(is_own(command))
        assert sum(covered) == 1, f"no test runs {command!r}, and no reason is given"
        assert command.startswith(("--", *PROGRAMS))
    for block in BLOCKS:
        if block.kind not in ("command", "python", "yaml"):
            assert block.text.startswith(tuple(TEXTS)), f"no test looks at {block}"
    for start in UNTRIED:
        assert any(
            is_untried(command) and " ".join(shlex.split(command)).startswith(start) for command in commands()
        )
