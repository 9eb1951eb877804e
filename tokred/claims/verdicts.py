"""All claims, decided for a study and written for people (Markdown) and programs (CSV)."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from html import escape

import pandas as pd

from tokred.claims import (
    averages,
    backbones,
    keep_rates,
    performance,
    proxies,
    single_methods,
    single_patterns,
)
from tokred.claims.claim import Claim, Evidence, NotTestableError
from tokred.files import atomic_path
from tokred.presentation.markup import markdown
from tokred.presentation.page import page
from tokred.study.view import View
from tokred.tables import schemas
from tokred.tables.registry import TABLES

#: All claims, by subject.
GROUPS: dict[str, list[Claim]] = {
    "Performance": [*performance.CLAIMS, *single_methods.CLAIMS],
    "Patterns over keep rates and backbones": [*keep_rates.CLAIMS, *backbones.CLAIMS],
    "Single and average patterns": [*single_patterns.CLAIMS, *averages.CLAIMS],
    "Similarity as a proxy for performance": proxies.CLAIMS,
}
HOLDS, FAILS, UNTESTED = "holds", "does not hold", "not testable"
_SIGN = {HOLDS: "✔", FAILS: "✘", UNTESTED: "–"}
_CLASS = {HOLDS: "holds", FAILS: "fails", UNTESTED: "untested"}
_HEADS = ("section", "finding", "decided by", "origin of the rule", "in this study")
#: Explanations above the tables.
_RULES = (
    "Origin of the rule: the paper's, where its own words or numbers decide; ours, where it gives no number "
    "(for consistent, high or low), so that the threshold or the rule is tokred's.",
    "Agreement is chance-adjusted, (value - chance) / (1 - chance): 0 for unrelated patterns, 1 for equal "
    "ones. Patterns agree above 0.5; one agreement is higher than another if they differ by at "
    "least 0.05. Degenerate pairs (a single cluster, all tokens kept) are left out.",
)
#: Explanation of a study without training, above those.
_NOT_FINE_TUNED = (
    "The models of this study are pretrained backbones with a method in them, without fine-tuning. Those of "
    "the paper are fine-tuned, so that a finding may hold for them alone."
)


@dataclass(frozen=True)
class Verdict:
    """The verdict on a claim in a study; `numbers` is the reason if the claim is not testable."""

    claim: str
    section: str
    text: str
    rule: str
    basis: str
    verdict: str
    numbers: str


def decide(claim: Claim, evidence: Evidence) -> Verdict:
    """The verdict on one claim."""
    try:
        absent = [name for name in claim.needs if name not in evidence.tables]
        if absent:
            names = ", ".join(f"`{name}`" for name in absent)
            raise NotTestableError(f"the study has no table of {names}")
        finding = claim.check(evidence)
        verdict, numbers = (HOLDS if finding.holds else FAILS), finding.numbers
    except NotTestableError as reason:
        verdict, numbers = UNTESTED, str(reason)
    return Verdict(claim.name, claim.section, claim.text, claim.rule, claim.basis.value, verdict, numbers)


def decide_all(evidence: Evidence) -> dict[str, list[Verdict]]:
    """Verdicts on all claims, in groups."""
    return {group: [decide(claim, evidence) for claim in claims] for group, claims in GROUPS.items()}


def to_csv(groups: Mapping[str, Sequence[Verdict]]) -> str:
    """One row per claim."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([field.name for field in fields(Verdict)])
    writer.writerows(astuple(verdict) for verdicts in groups.values() for verdict in verdicts)
    return buffer.getvalue()


def to_markdown(
    groups: Mapping[str, Sequence[Verdict]], study: str, explanations: Sequence[str] = _RULES
) -> str:
    """One table per group, below the number of claims that hold and explanations."""
    lines = [f"# Findings of the paper in study {study}", "", _counts(groups)]
    lines += [line for paragraph in explanations for line in ("", paragraph)]
    for group, verdicts in groups.items():
        lines += ["", f"## {group}", "", f"| | {' | '.join(_HEADS)} |"]
        lines.append("| --- " * (1 + len(_HEADS)) + "|")
        for verdict in verdicts:
            cells = [f"{_SIGN[verdict.verdict]} {verdict.verdict}", verdict.section, verdict.text]
            cells = [cell.replace("|", r"\|") for cell in (*cells, verdict.rule, verdict.basis)]
            # The numbers name data sets and backbones by the labels that users gave them.
            lines.append("| " + " | ".join([*cells, markdown(verdict.numbers)]) + " |")
    return "\n".join([*lines, ""])


def to_html(groups: Mapping[str, Sequence[Verdict]], study: str, explanations: Sequence[str] = _RULES) -> str:
    """A page with one table per group, below the number of claims that hold and explanations."""
    parts = [f"<p>{escape(paragraph)}</p>" for paragraph in (_counts(groups), *explanations)]
    for group, verdicts in groups.items():
        heads = "".join(f"<th>{name}</th>" for name in ("", *_HEADS))
        rows = [
            f'<tr><td class="{_CLASS[verdict.verdict]}">{_SIGN[verdict.verdict]} {verdict.verdict}</td>'
            + "".join(f"<td>{escape(cell)}</td>" for cell in astuple(verdict)[1:5])
            + f"<td>{escape(verdict.numbers)}</td></tr>"
            for verdict in verdicts
        ]
        body = f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody>"
        parts.append(f'<h2>{escape(group)}</h2><table class="text">{body}</table>')
    return page(f"Findings of the paper in study {study}", "".join(parts))


def _counts(groups: Mapping[str, Sequence[Verdict]]) -> str:
    counts = Counter(verdict.verdict for verdicts in groups.values() for verdict in verdicts)
    numbers = f"{counts[HOLDS]} hold, {counts[FAILS]} do not, {counts[UNTESTED]} cannot be tested here"
    return f"Of {counts.total()} findings {numbers}."


def write(
    view: Mapping[str, object], inputs: Mapping[str, Sequence[str]], outputs: Mapping[str, str]
) -> None:
    """Job: decide all claims, and write the verdicts as "csv", "html" and "md".

    Args:
        view: fields of the `View`.
        inputs: files of those tables that claims need and the study has.
    """
    frames: dict[str, pd.DataFrame] = {
        name: schemas.read(files, TABLES[name].columns, name) for name, files in inputs.items()
    }
    shown = View.of(view)
    groups = decide_all(Evidence(frames, shown))
    explanations = _RULES if shown.fine_tuned else (_NOT_FINE_TUNED, *_RULES)
    texts = {"csv": to_csv(groups), "md": to_markdown(groups, shown.study, explanations)}
    texts["html"] = to_html(groups, shown.study, explanations)
    for name, text in texts.items():
        with atomic_path(outputs[name]) as temporary:
            temporary.write_text(text, encoding="utf-8")
