"""Extension of Griffe, which reads docstrings: doctests become examples, not quotations."""

from __future__ import annotations

import re
import textwrap

import griffe


class Doctests(griffe.Extension):
    """Put doctests that are in no section of a docstring into a section of examples."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Called for every module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = with_section(obj.docstring.value)


def with_section(docstring: str) -> str:
    """A docstring whose doctests have a section.

    >>> with_section("Add.\\n\\n>>> add(1, 1)\\n2")
    'Add.\\n\\nExamples:\\n    >>> add(1, 1)\\n    2'
    """
    passages = r"^>>> .*(?:\n+(?!Args:|Raises:|Returns:).+)*"
    return re.sub(
        passages, lambda found: "Examples:\n" + textwrap.indent(found[0], "    "), docstring, flags=re.M
    )
