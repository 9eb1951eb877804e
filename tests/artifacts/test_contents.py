"""Every artifact shows what its arguments name, and its title and caption say so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.artifacts.contents import CHECKS
from tests.artifacts.drawn import MADE, TABLES, make
from tests.artifacts.tables import VIEWS
from tokred.artifacts.artifact import Artifact
from tokred.artifacts.registry import ARTIFACTS
from tokred.artifacts.render import render
from tokred.methods.registry import METHODS
from tokred.metrics.registry import METRICS
from tokred.orchestration.provenance import facts

#: Pairs of artifacts with the same function and other arguments: each and the next one.
SIBLINGS = [
    (one, other)
    for place, (one, first) in enumerate(ARTIFACTS.items())
    for other in [
        name for name, second in list(ARTIFACTS.items())[place + 1 :] if second.target == first.target
    ][:1]
]
#: What a figure's title calls a metric where that is not its label.
WORDS = {"emd": "Earth Mover's Distance"}
#: The methods of the paper's Figures 13 and 30 to 35.
METHOD_OF = {"13a": "l1", "13b": "l2", "13c": "linf", "30": "topk", "31": "evit", "32": "dynamicvit"}
METHOD_OF |= {"33": "ats", "34": "kmedoids", "35": "dpcknn"}
#: Metric and anchor of the first of three scatter plots, for backbones by rising capacity.
SCATTERS = {15: ("procrustes", "none"), 18: ("procrustes", "topk"), 21: ("procrustes", "kmedoids")}
SCATTERS |= {24: ("iou", "topk"), 27: ("nmi", "kmedoids")}


def check(name: str, shape: str, artifact: Artifact) -> None:
    """What was made of one artifact, against the arguments of one."""
    CHECKS[artifact.target](make(name, shape), TABLES[shape], VIEWS[shape], **artifact.arguments)


#: An artifact of each function, of the smallest study that can show one.
TYPICAL = {
    ARTIFACTS[name].target: (name, shape)
    for name, shape in sorted(MADE, key=lambda made: made[1] == "smallest")
}
SHAPES = [pytest.param(*made, marks=[] if made in TYPICAL.values() else [pytest.mark.slow]) for made in MADE]


@pytest.mark.parametrize(("name", "shape"), SHAPES)
def test_an_artifact_shows_what_its_arguments_name(name: str, shape: str) -> None:
    check(name, shape, ARTIFACTS[name])


@pytest.mark.slow
@pytest.mark.parametrize(("one", "other"), SIBLINGS)
def test_the_check_tells_artifacts_of_one_function_apart(one: str, other: str) -> None:
    check(one, "paper", ARTIFACTS[one])
    with pytest.raises(AssertionError):
        check(one, "paper", ARTIFACTS[other])


def test_every_function_has_a_check_and_every_artifact_is_made_for_some_study() -> None:
    assert {artifact.target for artifact in ARTIFACTS.values()} == set(CHECKS)
    assert {name for name, _ in MADE} == set(ARTIFACTS)


def metrics_of(artifact: Artifact) -> Iterator[str]:
    """The metrics among an artifact's arguments."""
    given = artifact.arguments
    yield from given.get("metrics", ())
    yield from (measure for measure, _ in given.get("panels", ()))
    yield from (given[name] for name in ("metric", "measure") if name in given)


@pytest.mark.parametrize("name", ARTIFACTS)
def test_title_and_caption_say_what_is_drawn(name: str) -> None:
    artifact = ARTIFACTS[name]
    said = f"{artifact.title}. {artifact.caption}".lower()
    for metric in metrics_of(artifact):
        assert WORDS.get(metric, METRICS[metric].label).lower() in said
    for parameter in ("method", "pattern", "anchor"):
        if parameter in artifact.arguments:
            assert METHODS[artifact.arguments[parameter]].plain_label in artifact.title
    if "place" in artifact.arguments:
        ordinal = ("first data", "second", "third", "fourth")[artifact.arguments["place"]]
        assert ordinal in artifact.title or "smallest backbone" in artifact.title


def test_figures_show_what_the_paper_s_figures_of_that_number_show() -> None:
    for number, method in METHOD_OF.items():
        assert list(ARTIFACTS[f"figure{number}"].arguments.values()) == [method]
    for first, (measure, anchor) in SCATTERS.items():
        for place in range(3):
            found = ARTIFACTS[f"figure{first + place}"].arguments
            assert (found["measure"], found["anchor"], found["place"]) == (measure, anchor, place)
    for place in range(4):
        for number, part in ((36, "clusters"), (37, "kept")):
            assert ARTIFACTS[f"figure{number + 2 * place}"].arguments == {"place": place, "part": part}
    for position, table in enumerate(("table1", "table7a", "table7b")):
        assert ARTIFACTS[table].arguments == {"position": position}


def test_a_new_artifact_is_one_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Depth maps of a method of which the paper has none."""
    new = replace(
        ARTIFACTS["figure30"], name="depthmaps", title="New", arguments={"method": "l2"}, methods=()
    )
    monkeypatch.setitem(ARTIFACTS, new.name, new)
    file = tmp_path / f"{new.name}.png"
    render(new.name, TABLES["default"], VIEWS["default"], [str(file)])
    assert file.stat().st_size > 10_000
    CHECKS[new.target](
        new.make(TABLES["default"], VIEWS["default"]), TABLES["default"], VIEWS["default"], method="l2"
    )


def test_arguments_are_among_the_parameters_of_the_rule() -> None:
    one = ARTIFACTS["figure31"]
    assert facts(one)["arguments"] == {"method": "evit"}
    assert facts(replace(one, arguments={"method": "topk"})) != facts(one)
