"""Labels that users write, made literal in the markup of each format.

Labels of methods are mathtext and may hold formulas between dollar signs. What a user calls a data set, a
backbone or a class is plain text: every sign stands for itself.
"""

from __future__ import annotations

import re

from tokred.methods.registry import METHODS

#: Formulas in labels of methods, which LaTeX can set as they are.
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
    # After a line break these would be taken for its arguments.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    **{sign: f"\\{sign}" for sign in "{}$&#_%"},
}
#: Ligatures, taken apart.
_LIGATURES = (("--", "-{}-"), ("''", "'{}'"), ("``", "`{}`"), ("?`", "?{}`"), ("!`", "!{}`"))


def markdown(text: str) -> str:
    r"""Text in a cell or a paragraph of Markdown, as GitHub reads it.

    >>> markdown("a|b *c* d_e _f_ $x$")
    'a\\|b \\*c\\* d_e \\_f\\_ \\$x\\$'
    """
    escaped = re.sub(r"([\\`*\[\]<>|&~$])", r"\\\1", text)
    # Within a word an underscore means nothing.
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", escaped)


def latex(text: str) -> str:
    r"""Text of LaTeX; formulas that are labels of methods stay formulas.

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
    r"""Text of matplotlib, in which single dollar signs begin and end formulas.

    >>> mathtext("$5 and $6")
    '\\$5 and \\$6'
    """
    return text.replace("$", r"\$")
