"""The HTML page around the data: style and script are inline, and it can load nothing else."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from string import Template

_FOLDER = Path(__file__).parent / "assets"
#: Modules of the script, in order: each imports only from modules before it.
_SCRIPTS = (
    "data",
    "state",
    "dom",
    "colors",
    "plan",
    "picture",
    "images",
    "depth",
    "chart",
    "performance",
    "main",
)


def assets() -> list[Path]:
    """Files of the page: template, style and script modules."""
    return sorted(_FOLDER.iterdir())


def render(study: str, payload: Mapping[str, object]) -> bytes:
    """The complete page of a study, in UTF-8."""
    style = (_FOLDER / "page.css").read_text(encoding="utf-8")
    script = bundle()
    values = {
        "policy": html.escape(_policy(style, script)),
        "study": html.escape(study),
        "style": style,
        "script": script,
        "data": _json(payload),
    }
    template = (_FOLDER / "page.html").read_text(encoding="utf-8")
    return Template(template).substitute(values).encode()


def bundle() -> str:
    """All modules as one classic script, since browsers load no modules from local files.

    Imports and exports are removed: the modules share one scope, so their top-level names must differ.
    """
    modules = [(_FOLDER / f"{name}.mjs").read_text(encoding="utf-8") for name in _SCRIPTS]
    parts = [re.sub(r"^import [^;]*;\n|^export ", "", text, flags=re.MULTILINE) for text in modules]
    return "\n".join(["'use strict';", "(() => {", *parts, "})();"])


def _policy(style: str, script: str) -> str:
    """Content security policy that allows only this script, this style and embedded images."""
    return (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _json(payload: Mapping[str, object]) -> str:
    """JSON that cannot close the script element that contains it."""
    text = json.dumps(payload, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate({ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"})
