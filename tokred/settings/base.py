"""Field types that several parts of a configuration share."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from tokred.run import canonical_rate

Rate = Annotated[str, BeforeValidator(canonical_rate)]
#: Part of file names, which are limited to 255 bytes with their suffix.
Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_]+$", max_length=100)]


def _one_line(label: str) -> str:
    if not label.strip() or not label.isprintable():
        raise ValueError(f"expected one line of text, found {label!r}")
    return label


#: Text of a name in figures and tables, printed literally.
Label = Annotated[str, AfterValidator(_one_line)]
