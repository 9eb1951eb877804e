"""Code that each rule's fingerprint covers: every registry entry, and only code that its job runs."""

from __future__ import annotations

import ast
import functools
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest

import tokred
from tests.small_models import by_method
from tokred.artifacts.registry import ARTIFACTS
from tokred.claims.claim import Claim
from tokred.claims.verdicts import GROUPS
from tokred.data.registry import ADAPTERS
from tokred.methods.registry import METHODS, Method
from tokred.metrics.registry import METRICS
from tokred.orchestration import provenance
from tokred.orchestration.provenance import Package, facts
from tokred.orchestration.rule_code import JOBS, LOOKS, TABLE_METRICS, RuleCode, facts_of_metrics
from tokred.tables.registry import TABLES

ROOT = Path(tokred.__file__).parent
TABLE_RULES = sorted({table.rule for table in TABLES.values() if table.target})
TYPICAL_METRICS = {metric.kind: name for name, metric in METRICS.items()}.values()
METRIC_NAMES = [
    pytest.param(name, marks=[] if name in TYPICAL_METRICS else [pytest.mark.slow]) for name in METRICS
]
CLAIMS = {claim.name: claim for claims in GROUPS.values() for claim in claims}


def of_runs(code: RuleCode, method: str) -> dict[str, str]:
    stages = ("pretrain", "train", "extract", "try_setting")
    return {name: value for stage in stages for name, value in code.run(stage, method).items()}


def of_comparisons(code: RuleCode) -> dict[str, str]:
    made = (code.make(rule) for rule in TABLE_RULES if rule != "list_settings")
    return {stage: fingerprint for stages in made for stage, fingerprint in stages.items()}


def of_presentation(code: RuleCode) -> dict[str, str]:
    drawn = {f"render {name}": code.render(name) for name in ("figure1", "figure6", "table1")}
    return {**drawn, "claims": code.claims(), "explorer": code.explorer()}


def of_settings(code: RuleCode) -> dict[str, str]:
    return {**code.make("list_settings"), **code.collect_settings(), "choose_setting": code.choose_setting()}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package."""
    root = tmp_path_factory.mktemp("copy") / "tokred"
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns("__pycache__", "shipped_weights"))
    return root


Changes = Callable[[Path, Callable[[str], str], Callable[[RuleCode], dict[str, str]]], set[str]]


@pytest.fixture
def changes(copy: Path) -> Changes:
    """Change a file of the copy for a moment; returns the stages whose fingerprint changed."""

    def apply(file: Path, change: Callable[[str], str], of: Callable[[RuleCode], dict[str, str]]) -> set[str]:
        original = file.read_text()
        before = of(RuleCode(Package(copy)))
        file.write_text(change(original))
        try:
            after = of(RuleCode(Package(copy)))
        finally:
            file.write_text(original)
        assert original != change(original)
        return {name for name in before if before[name] != after[name]}

    return apply


def file_of(root: Path, module: str) -> Path:
    base = root.joinpath(*module.split(".")[1:])
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


def altering(name: str) -> Callable[[str], str]:
    """Another statement at the end of the body of a function or class."""

    def alter(text: str) -> str:
        (found,) = (n for n in ast.parse(text).body if getattr(n, "name", None) == name)
        last = found.body[-1]
        first = min([last, *getattr(last, "decorator_list", [])], key=lambda node: node.lineno)
        lines = text.splitlines(keepends=True)
        lines.insert(first.lineno - 1, " " * last.col_offset + "altered = True\n")
        return "".join(lines)

    return alter


def altered(root: Path, target: str) -> tuple[Path, Callable[[str], str]]:
    module, _, name = target.partition(":")
    return file_of(root, module), altering(name)


@pytest.mark.parametrize("name", by_method(name for name, method in METHODS.items() if method.target))
def test_a_changed_method_has_its_own_models_made_anew(copy: Path, changes: Changes, name: str) -> None:
    other = "evit" if name != "evit" else "dpcknn"
    found = changes(
        *altered(copy, METHODS[name].target), lambda code: of_runs(code, name) | of_runs(code, other)
    )
    assert found == {f"{stage} {name}" for stage in ("pretrain", "train", "extract", "try_setting")}
    assert changes(*altered(copy, METHODS[name].target), of_comparisons) == {"measure_efficiency"}


@pytest.mark.parametrize("name", METRIC_NAMES)
def test_a_changed_metric_has_its_comparisons_made_anew(copy: Path, changes: Changes, name: str) -> None:
    def of(code: RuleCode) -> dict[str, str]:
        return {**of_comparisons(code), **of_runs(code, "topk")}

    tables = {f"compare_{table}" for table, names in TABLE_METRICS.items() if name in names}
    for target in METRICS[name].code:
        found = changes(*altered(copy, target), of)
        assert tables <= found
        assert all(stage.startswith("compare_") for stage in found)


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_changed_adapter_has_its_data_set_prepared_anew(copy: Path, changes: Changes, name: str) -> None:
    found = changes(
        *altered(copy, ADAPTERS[name].target), lambda code: {**code.prepare(name), **of_runs(code, "topk")}
    )
    assert found == {f"prepare {name}"}


@pytest.mark.slow
@pytest.mark.parametrize("target", sorted({artifact.target for artifact in ARTIFACTS.values()}))
def test_what_a_changed_function_draws_is_made_anew(copy: Path, changes: Changes, target: str) -> None:
    drawn = {name for name, artifact in ARTIFACTS.items() if artifact.target == target}
    found = changes(
        *altered(copy, f"tokred.artifacts.{target}"),
        lambda code: {name: code.render(name) for name in ARTIFACTS} | code.run("train", "topk"),
    )
    assert found == drawn


def function_of(check: Callable) -> str:
    """The definition of a module that a claim's check comes from."""
    while isinstance(check, functools.partial):
        check = check.func
    return f"{check.__module__}:{check.__qualname__.partition('.')[0]}"


@pytest.mark.slow
@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_a_changed_claim_is_decided_anew(copy: Path, changes: Changes, claim: Claim) -> None:
    found = changes(*altered(copy, function_of(claim.check)), of_presentation)
    assert found == {"claims"}


def test_changed_published_numbers_count_where_they_are_read(copy: Path, changes: Changes) -> None:
    def of(code: RuleCode) -> dict[str, str]:
        return {**of_comparisons(code), **of_settings(code), **of_runs(code, "topk")}

    def more(text: str) -> str:
        return text + "\n"

    # Those that read the study's settings, which are checked against the published ones.
    settings = {"list_settings", "collect_settings", "list_off_the_shelf", "count_macs", "measure_efficiency"}
    assert changes(copy / "published/performance.csv", more, of) == {
        "published_scores",
        "reference_scores",
        *settings,
    }
    assert changes(copy / "published/hyperparameters.yaml", more, of) == settings
    assert changes(copy / "published/off_the_shelf.csv", more, of) == settings


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("names.py", "unknown {kind}", "no such {kind}"),
        ("tables/schemas.py", '"""Schemas of all tables', '"""Schemas of the tables'),
        ("tables/patterns.py", '"""Reduction patterns', '"""Patterns'),
        ("run.py", "expected a decimal number in (0, 1]", "no decimal number"),
        ("settings/training.py", 'description="', 'description="that is, '),
    ],
)
def test_words_have_nothing_made_anew(
    copy: Path, changes: Changes, file: str, before: str, after: str
) -> None:
    def of(code: RuleCode) -> dict[str, str]:
        runs = {**of_runs(code, "topk"), **of_comparisons(code), **of_settings(code)}
        return {**runs, **of_presentation(code), **code.prepare("digits")}

    assert changes(copy / file, lambda text: text.replace(before, after), of) == set()


def test_what_comes_newly_into_a_registry_has_nothing_made_anew(copy: Path, changes: Changes) -> None:
    def of(code: RuleCode) -> dict[str, str]:
        return {**of_runs(code, "topk"), **of_comparisons(code), **of_presentation(code)}

    def with_method(text: str) -> str:
        line = '    Method("new", "New", Family.FIXED, "#B8A000", "d", f"{_PKG}.new:New", kept=True),\n'
        return text.replace("]\n\n#: Every method", f"{line}]\n\n#: Every method")

    def with_metric(text: str) -> str:
        line = '    Metric("new", "New", "maps", True, 0, 1, True, "new:new"),\n'
        return text.replace("]\n\n#: Every metric", f"{line}]\n\n#: Every metric")

    def with_schema(text: str) -> str:
        return f'{text}\n\nNEW = pa.schema([*_IDENTITY, ("new", pa.float64())])\n'

    def with_table(text: str) -> str:
        line = '    _pairs("new", "patterns", ("iou",), "Compare anew", "Average patterns"),\n'
        return text.replace("]\n\n_OTHER_COMPARISONS", f"{line}]\n\n_OTHER_COMPARISONS")

    assert changes(copy / "methods/registry.py", with_method, of) == set()
    assert changes(copy / "metrics/registry.py", with_metric, of) == set()
    assert changes(copy / "tables/schemas.py", with_schema, of) == set()
    assert changes(copy / "tables/registry.py", with_table, of) == set()


@pytest.mark.slow
def test_training_extraction_comparison_and_drawing_are_apart(copy: Path, changes: Changes) -> None:
    def of(code: RuleCode) -> dict[str, str]:
        runs = (code.run(stage, "topk") for stage in ("train", "extract", "evaluate_corrupted"))
        return {name: value for stages in (*runs, of_comparisons(code)) for name, value in stages.items()}

    def found(target: str) -> set[str]:
        return changes(*altered(copy, target), of)

    assert found("tokred.training.loop:Trainer") == {"train"}
    assert found("tokred.evaluation.extract:extract") == {"extract"}
    assert found("tokred.evaluation.robustness:evaluate") == {"evaluate_corrupted"}
    assert found("tokred.metrics.calibration:calibration_error") == {"measure_calibration"}
    assert found("tokred.comparison.summary:summarize_runs") == {"summarize"}
    assert found("tokred.comparison.examples:picture_rows") == {"choose_pictures"}
    assert found("tokred.artifacts.style:figure") == set()
    assert found("tokred.models.vision_transformer:ReducedVisionTransformer") == {
        "train",
        "extract",
        "evaluate_corrupted",
        "count_macs",  # a network is built for its sizes
        "measure_efficiency",
    }


@pytest.mark.parametrize("field", [f.name for f in fields(Method) if f.name not in ("target", "options")])
def test_what_the_registry_says_of_a_method_is_among_the_parameters(field: str) -> None:
    method = METHODS["topk"]
    other = replace(method, **{field: "other"})
    assert facts(other) != facts(method)
    assert (facts(other, LOOKS) == facts(method, LOOKS)) == (field in LOOKS)


def test_what_the_registry_says_of_metrics_is_among_the_parameters_of_what_shows_them() -> None:
    assert set(facts_of_metrics(["proxies"])) == {"iou", "nmi", *TABLE_METRICS["features"]}
    assert facts_of_metrics(["methods"])["iou"]["label"] == "IoU"
    assert "label" not in facts_of_metrics(["methods"], LOOKS)["iou"]
    assert facts_of_metrics(["scores"]) == {}


def test_a_changed_schema_counts_where_its_tables_are_written_and_read(copy: Path, changes: Changes) -> None:
    def of(code: RuleCode) -> dict[str, str]:
        drawn = {name: code.render(name) for name, entry in ARTIFACTS.items() if "examples" in entry.needs}
        others = {name: code.render(name) for name in ("figure6", "table1")}
        return {**of_comparisons(code), **of_runs(code, "topk"), **drawn, **others}

    shows_examples = {name for name, entry in ARTIFACTS.items() if "examples" in entry.needs}
    found = changes(
        copy / "tables/schemas.py", lambda t: t.replace('("kept", pa.bool_())', '("kept", pa.int8())'), of
    )
    assert len(shows_examples) > 5
    assert found == {"show_examples", *shows_examples}


@pytest.mark.parametrize("rule", TABLE_RULES)
def test_tables_of_one_rule_are_of_one_job(rule: str) -> None:
    entries = [table for table in TABLES.values() if table.rule == rule]
    parts = [(t.target, t.slice, t.inputs, t.arguments, t.of_study, t.metrics, t.does) for t in entries]
    assert all(part == parts[0] for part in parts)


def test_the_code_of_a_job_is_that_of_its_function() -> None:
    """What only starts jobs is no part of it."""
    code = RuleCode(provenance.installed())
    assert code.run("train", "topk")["train"] == provenance.installed().code(JOBS["train"], METHODS=[])
    reached = provenance.installed().reached(JOBS["train"], METHODS=[])
    assert not [module for module in reached if module.startswith("tokred.orchestration")]


def test_a_registry_that_a_job_looks_into_must_be_named() -> None:
    with pytest.raises(ValueError, match="it uses the registry METHODS; expected names of the entries"):
        provenance.installed().code("tokred.training.job:train")


def test_every_metric_is_computed_for_some_table() -> None:
    assert {name for names in TABLE_METRICS.values() for name in names} == set(METRICS)
