"""Escaping of labels in the markup of each format.

Labels of methods are mathtext and may contain formulas between dollar signs. Names that users give to data
sets, backbones and classes are plain text: every character is literal.
"""

from __future__ import annotations

import re

from tokred.methods.registry import METHODS

#: Labels of methods that contain formulas, which are valid LaTeX.
_FORMULAS = sorted(
    {method.label for method in METHODS.values() if "$" in method.label}, key=len, reverse=True
)
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    # After a line break LaTeX would take these for its arguments.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    **{sign: f"\\{sign}" for sign in "{}$&#_%"},
}
#: Ligatures, and how to prevent them.
_LIGATURES = (("--", "-{}-"), ("''", "'{}'"), ("``", "`{}`"), ("?`", "?{}`"), ("!`", "!{}`"))


def markdown(text: str) -> str:
    r"""Escape text for a cell or paragraph of Markdown, as GitHub reads it.

    >>> markdown("a|b *c* d_e _f_ $x$")
    'a\\|b \\*c\\* d_e \\_f\\_ \\$x\\$'
    """
    escaped = re.sub(r"([\\`*\[\]<>|&~$])", r"\\\1", text)
    # Within a word an underscore is literal.
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", escaped)


def latex(text: str) -> str:
    r"""Escape text for LaTeX; formulas that are labels of methods stay formulas.

    >>> latex(r"50% of $\ell_1$ & $5")
    '50\\% of $\\ell_1$ \\& \\$5'
    """
    parts = re.split(f"({'|'.join(map(re.escape, _FORMULAS))})", text)
    return "".join(part if part in _FORMULAS else _literal(part) for part in parts)


def _literal(text: str) -> str:
    signs = "".join(_LATEX.get(sign, sign) for sign in text)
    for pair, apart in _LIGATURES:
        while pair in signs:
            signs = signs.replace(pair, apart)
    return signs


def mathtext(text: str) -> str:
    r"""Escape text for matplotlib, where dollar signs begin and end formulas.

    >>> mathtext("$5 and $6")
    '\\$5 and \\$6'
    """
    return text.replace("$", r"\$")
