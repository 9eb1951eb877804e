"""Types of fields that several parts of a configuration share."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from tokred.run import canonical_rate

Rate = Annotated[str, BeforeValidator(canonical_rate)]
#: A name is a part of paths, whose parts may have 255 bytes, with a suffix.
Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_]+$", max_length=100)]


def _one_line(label: str) -> str:
    if not label.strip() or not label.isprintable():
        raise ValueError(f"expected text in one line, found {label!r}")
    return label


#: What figures and tables print for a name; every sign stands for itself.
Label = Annotated[str, AfterValidator(_one_line)]
