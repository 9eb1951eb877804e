"""The registry of artifacts: what each shows, what tables it needs, which studies it makes sense for.

An artifact is one file and one entry, in `main_text` or `appendix`. Figures have
`draw(tables, view) -> Figure`, tables have `make(tables, view) -> Table`; `tables` are data frames by the
names in `needs`.
"""

from __future__ import annotations

import re

from tokred.artifacts.appendix import APPENDIX
from tokred.artifacts.artifact import Artifact
from tokred.artifacts.main_text import MAIN_TEXT


def _place(artifact: Artifact) -> tuple[str, int, str]:
    """Figures before tables, by their numbers in the paper; then what the paper has not."""
    numbered = re.fullmatch(r"[a-z]+([0-9]+)([a-z]?)", artifact.name)
    return (
        (artifact.kind, int(numbered[1]), numbered[2]) if numbered else (artifact.kind, 1000, artifact.name)
    )


_ALL = sorted([*MAIN_TEXT, *APPENDIX], key=_place)
#: Every artifact by name, in the paper's order.
ARTIFACTS: dict[str, Artifact] = {artifact.name: artifact for artifact in _ALL}
