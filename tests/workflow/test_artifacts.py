"""Every artifact of the smoke study can be asked for by its name; studies without training; the report."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.study.studies import smoke as smoke_values
from tests.workflow.conftest import ROOT, Snakemake, call, overlay, planned
from tokred import published
from tokred.artifacts.registry import ARTIFACTS
from tokred.settings import parse
from tokred.study.study import Study
from tokred.tables.registry import TABLES

VIEW = parse(Study, smoke_values(), "smoke").view()
POSSIBLE = [
    name
    for name, artifact in ARTIFACTS.items()
    if artifact.unavailable_reason(VIEW) is None
    and not any(TABLES[table].on_request or TABLES[table].measured for table in artifact.needs)
]


def files(name: str) -> list[str]:
    artifact = ARTIFACTS[name]
    return [f"results/smoke/{artifact.kind}s/{name}.{suffix}" for suffix in artifact.formats]


def test_the_paper_is_complete() -> None:
    figures = [*range(1, 13), "13a", "13b", "13c", *range(14, 44)]
    tables = [*range(1, 7), "7a", "7b"]
    expected = {f"figure{n}" for n in figures} | {f"table{n}" for n in tables}
    expected |= {"comparison", "differences", "objects", "orders"}
    expected |= {"robustness", "corruptions", "calibration", "off_the_shelf", "agreement", "matched_budget"}
    expected |= {"pareto_macs", "pareto_throughput", "pareto_latency", "reduction_time"}
    assert set(ARTIFACTS) == expected


def test_an_artifact_of_each_function_by_name(smoke: Path, snakemake: Snakemake) -> None:
    """`tests/artifacts` makes all others, twice."""
    asked = {ARTIFACTS[name].target: name for name in POSSIBLE}.values()
    assert len(asked) > 10
    kept = {file: (smoke / file).read_bytes() for name in asked for file in files(name)}
    for file in kept:
        (smoke / file).unlink()
    done = snakemake(*kept)
    assert done.returncode == 0, done.stderr[-3000:]
    kinds = [ARTIFACTS[name].kind for name in asked]
    assert planned(done.stdout + done.stderr) == {kind: kinds.count(kind) for kind in ("figure", "table")}
    for file, before in kept.items():
        assert (smoke / file).read_bytes() == before, f"{file}: other bytes than before"


@pytest.mark.parametrize("name", ["figure17", "figure40", "table2"])
def test_what_a_study_cannot_show_says_why(name: str, snakemake: Snakemake) -> None:
    done = snakemake("--dry-run", files(name)[0])
    assert done.returncode == 1
    assert ARTIFACTS[name].unavailable_reason(VIEW) in done.stdout + done.stderr


def test_settings_are_those_of_the_study(smoke: Path) -> None:
    table = pd.read_csv(smoke / "results/smoke/tables/table3.csv", index_col=0)
    assert table.loc["Epochs"].tolist() == ["1", "1"]
    assert table.loc["Loss"].tolist() == ["cross-entropy", "asymmetric"]


def test_claims_are_decided(smoke: Path) -> None:
    claims = pd.read_csv(smoke / "results/smoke/claims.csv").set_index("claim")
    assert len(claims) >= 20
    assert claims.loc["hard_merging_wins_on_imagenet", "verdict"] == "not testable"
    assert set(claims["verdict"]) == {"holds", "does not hold", "not testable"}
    assert (smoke / "results/smoke/claims.html").read_text().count("<tr>") == len(claims) + 4


def test_report(smoke: Path, snakemake: Snakemake, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    done = snakemake("--report", str(report))
    assert done.returncode == 0, done.stderr[-3000:]
    text = report.read_text()
    for name in POSSIBLE:
        assert ARTIFACTS[name].title in text, name
    assert "Findings of the paper" in text
    assert "Explorer" in text
    assert "Which code made which results" in text
    assert re.findall(r"""(?:src|href)=["']https?://""", text) == []


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which the published study has run."""
    folder = tmp_path_factory.mktemp("published")
    done = call(folder, "--configfile", str(ROOT / "workflow/studies/published.yaml"))
    assert done.returncode == 0, done.stderr[-3000:]
    assert set(planned(done.stdout + done.stderr)) == {
        *("all", "claims", "count_macs", "figure", "lineage", "list_settings", "published_scores", "table")
    }
    return folder / "results/published"


def test_published_study_trains_nothing(paper: Path) -> None:
    names = {path.stem for path in [*paper.glob("figures/*"), *paper.glob("tables/*")]}
    assert names == {
        "figure1",
        "matched_budget",
        "pareto_macs",
        "table1",
        "table2",
        "table3",
        "table4",
        "table5",
        "table6",
        "table7a",
        "table7b",
    }


def test_published_tables_are_the_paper_s(paper: Path) -> None:
    table = pd.read_csv(paper / "tables/table1.csv", index_col=0)
    assert table.loc["EViT", "NUS-WIDE 25%"] == 59.69
    assert table.loc["Unreduced", "ImageNet 50%"] == 79.85
    assert table.loc["ToMe"].isna().sum() == 4
    base = pd.read_csv(paper / "tables/table7a.csv", index_col=0)
    assert base.loc["DynamicViT", "ImageNet 25%"] == 27.94
    tiny = pd.read_csv(paper / "tables/table7b.csv", index_col=0)
    assert tiny.loc["Sinkhorn", "NUS-WIDE 90%"] == 44.20


def test_published_settings_are_the_paper_s(paper: Path) -> None:
    known = published.hyperparameters()
    selected = pd.read_csv(paper / "tables/table4.csv", index_col=0, dtype=str)
    assert selected.loc["Top-K"].tolist()[-3:] == ["20", "1", "0"]
    assert selected.loc["ToMe"].tolist()[:3] == ["-"] * 3
    sources = pd.read_csv(paper / "tables/table6.csv", index_col=0)
    letters = {"imagenet": "I", "deit": "D", None: "-"}
    for method, of_method in known["selected_source"].items():
        label = {"dpcknn": "DPC-KNN", "kmedoids": "K-Medoids"}.get(method)
        row = next(r for r in sources.index if r == label or r.lower().replace("-", "") == method)
        expected = [letters[source] for rates in of_method.values() for source in rates.values()]
        assert sources.loc[row].tolist() == expected
    grid = pd.read_csv(paper / "tables/table2.csv", index_col=0)["grid values"]
    assert grid["Backbone learning rate scale (B-LR)"] == "1, 0.1, 0.01"


def test_published_study_has_no_patterns(tmp_path: Path) -> None:
    config = str(ROOT / "workflow/studies/published.yaml")
    done = call(tmp_path, "--dry-run", "results/published/figures/figure3.pdf", "--configfile", config)
    assert done.returncode == 1
    assert "figure3 needs keep_rates, the study has performance only" in done.stdout + done.stderr


def test_another_study_can_be_compared_with(smoke: Path, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results/smoke").symlink_to(smoke / "results/smoke")
    values = yaml.safe_load((ROOT / "workflow/studies/published.yaml").read_text())
    config = overlay(tmp_path, "beside", {**values, "study": "beside", "compare_with": "smoke"})
    done = call(tmp_path, "results/beside/tables/differences.md", "--configfile", config)
    assert done.returncode == 0, done.stderr[-3000:]
    text = (tmp_path / "results/beside/tables/differences.md").read_text()
    assert text.startswith("**Study beside and study smoke**")
    assert "Spearman correlation of the average ranks of 7 methods" in text
    missing = overlay(tmp_path, "missing", {**values, "study": "beside", "compare_with": "nothing"})
    done = call(tmp_path, "--dry-run", "results/beside/tables/differences.md", "--configfile", missing)
    assert done.returncode == 1
    assert "study 'nothing' has no performance under results/nothing/scores" in done.stdout + done.stderr
