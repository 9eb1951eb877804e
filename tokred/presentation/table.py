"""A table with marks, and its output formats.

It does not use pandas' `Styler`, which puts the heading of the row labels into a row of its own, does not
write Markdown, and leaves the escaping and marking of cells and labels to its caller.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape

import pandas as pd

from tokred.presentation import markup
from tokred.presentation.page import page

#: Marks of the three best and worst of a column: LaTeX color, HTML value, and sign in plain text.
MARKS = {
    1: ("tokredBest1", "E06666", "¹"),
    2: ("tokredBest2", "F6B26B", "²"),
    3: ("tokredBest3", "FFE599", "³"),
    -3: ("tokredWorst3", "CFE2F3", "₃"),
    -2: ("tokredWorst2", "9FC5E8", "₂"),
    -1: ("tokredWorst1", "6FA8DC", "₁"),
}


@dataclass(frozen=True)
class Table:
    """Numbers or text under two levels of headings.

    Attributes:
        title: heading of the table.
        note: text below the table, such as the meaning of its marks.
        values: numbers or text; the index holds row labels, columns are (group, heading) pairs; NaN is "-".
        bold: whether each cell is bold; None if none is.
        mark: key of `MARKS` for each cell, 0 for no mark; None if no cell has one.
        corner: heading of the row labels.
        decimals: digits after the point.
        plain_index: plain text for row labels that contain formulas, by label.
        half_width: half the width of each number's interval, shown after the number; None if there are none.
    """

    title: str
    note: str
    values: pd.DataFrame
    bold: pd.DataFrame | None = None
    mark: pd.DataFrame | None = None
    corner: str = "method"
    decimals: int = 2
    plain_index: dict[str, str] = field(default_factory=dict)
    half_width: pd.DataFrame | None = None

    def csv(self) -> str:
        """Plain numbers, with one heading per column that joins both levels."""
        parts = {"": self.values}
        if self.half_width is not None:
            parts[" ±"] = self.half_width
        flat = pd.concat(parts.values(), axis=1).rename(index=self.plain_index)
        heads = [" ".join(part for part in pair if part) for pair in self.values.columns]
        flat.columns = [head + suffix for suffix in parts for head in heads]
        if self.half_width is not None:  # each number beside its interval
            flat = flat[[head + suffix for head in heads for suffix in parts]]
        # Formatted as in the other formats: rounding could give another last digit.
        return flat.to_csv(index_label=self.corner, float_format=f"%.{self.decimals}f", lineterminator="\n")

    def markdown(self) -> str:
        """A Markdown table, with the marks as signs."""
        heads = [" ".join(part for part in pair if part) for pair in self.values.columns]
        lines = [
            f"**{markup.markdown(self.title)}**",
            "",
            _line([self.corner, *map(markup.markdown, heads)]),
            _line(["---"] + ["---:"] * len(heads)),
        ]
        for name in self.values.index:
            cells = [self._markdown_cell(name, column) for column in self.values.columns]
            lines.append(_line([markup.markdown(self.plain_index.get(name, name)), *cells]))
        return "\n".join([*lines, "", self.note, ""])

    def html(self) -> str:
        """A self-contained HTML page, with the marks as colors."""
        groups = list(dict.fromkeys(group for group, _ in self.values.columns))
        sizes = {group: sum(g == group for g, _ in self.values.columns) for group in groups}
        top = "".join(f'<th colspan="{sizes[group]}">{escape(group)}</th>' for group in groups)
        heads = "".join(f"<th>{escape(head)}</th>" for _, head in self.values.columns)
        rows = [
            f"<tr><th>{escape(self.plain_index.get(name, name))}</th>"
            + "".join(self._html_cell(name, column) for column in self.values.columns)
            + "</tr>"
            for name in self.values.index
        ]
        note = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escape(self.note))
        table = f"<thead><tr><td></td>{top}</tr><tr><th>{escape(self.corner)}</th>{heads}</tr></thead>"
        table += f"<tbody>{''.join(rows)}</tbody>"
        return page(self.title, f"<table>{table}</table><p>{note}</p>")

    def latex(self) -> str:
        """LaTeX for `\\input`; needs the packages booktabs and colortbl (or xcolor with the option table)."""
        colors = [f"\\definecolor{{{name}}}{{HTML}}{{{value}}}" for name, value, _ in MARKS.values()]
        groups = list(dict.fromkeys(group for group, _ in self.values.columns))
        sizes = {group: sum(g == group for g, _ in self.values.columns) for group in groups}
        top = " & ".join(["", *(f"\\multicolumn{{{sizes[g]}}}{{c}}{{{markup.latex(g)}}}" for g in groups)])
        heads = " & ".join(map(markup.latex, [self.corner, *(head for _, head in self.values.columns)]))
        rows = [
            " & ".join(
                [markup.latex(name), *(self._latex_cell(name, column) for column in self.values.columns)]
            )
            for name in self.values.index
        ]
        body = [f"{row} \\\\" for row in (top, heads)] + ["\\midrule"] + [f"{row} \\\\" for row in rows]
        alignment = "l" + "".join("r" * sizes[group] for group in groups)
        return "\n".join(
            [
                f"% {self.title}. Needs \\usepackage{{booktabs}} and \\usepackage[table]{{xcolor}}.",
                *colors,
                f"\\begin{{tabular}}{{{alignment}}}",
                "\\toprule",
                *body,
                "\\bottomrule",
                "\\end{tabular}",
                "",
            ]
        )

    def _number(self, name: str, column: tuple[str, str]) -> str:
        value = self.values.loc[name, column]
        if isinstance(value, str):
            return value
        return "-" if pd.isna(value) else f"{value:.{self.decimals}f}"

    def _is_bold(self, name: str, column: tuple[str, str]) -> bool:
        return self.bold is not None and bool(self.bold.loc[name, column])

    def _mark(self, name: str, column: tuple[str, str]) -> int:
        return 0 if self.mark is None else self.mark.loc[name, column]

    def _interval(self, name: str, column: tuple[str, str], sign: str) -> str:
        """The half width of a number's interval after a sign; empty if there is none."""
        if self.half_width is None or pd.isna(self.half_width.loc[name, column]):
            return ""
        return f" {sign} {self.half_width.loc[name, column]:.{self.decimals}f}"

    def _markdown_cell(self, name: str, column: tuple[str, str]) -> str:
        text, mark = markup.markdown(self._number(name, column)), self._mark(name, column)
        text = f"**{text}**" if self._is_bold(name, column) else text
        return text + (MARKS[mark][2] if mark else "") + self._interval(name, column, "±")

    def _html_cell(self, name: str, column: tuple[str, str]) -> str:
        text, mark = escape(self._number(name, column)), self._mark(name, column)
        text = f"<b>{text}</b>" if self._is_bold(name, column) else text
        style = f' style="background:#{MARKS[mark][1]}"' if mark else ""
        sign = MARKS[mark][2] if mark else ""
        return f"<td{style}>{text}{sign}{self._interval(name, column, '±')}</td>"

    def _latex_cell(self, name: str, column: tuple[str, str]) -> str:
        text, mark = markup.latex(self._number(name, column)), self._mark(name, column)
        text = f"\\textbf{{{text}}}" if self._is_bold(name, column) else text
        text += self._interval(name, column, r"$\pm$")
        return f"\\cellcolor{{{MARKS[mark][0]}}}{text}" if mark else text


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
