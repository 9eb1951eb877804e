"""Small HTML pages that need no other files."""

from __future__ import annotations

from html import escape

_STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 1.5rem; color: #1a1a1a; background: #fff; }
h1 { font-size: 1.25rem; } h2 { font-size: 1.05rem; margin-top: 1.6rem; }
table { border-collapse: collapse; }
th, td { padding: .25rem .55rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
thead th { text-align: right; border-bottom: 2px solid #888; }
thead tr:first-child th[colspan] { text-align: center; }
tbody th { text-align: left; font-weight: 600; }
table.text td, table.text th { text-align: left; vertical-align: top; white-space: normal; }
table.text td:first-child { white-space: nowrap; font-weight: 600; }
.holds { color: #00614a; } .fails { color: #a33c00; } .untested { color: #5c5c5c; }
p { max-width: 60rem; }
"""


def page(title: str, body: str) -> str:
    """A self-contained page with a title and a body of HTML."""
    meta = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    head = f"{meta}<title>{escape(title)}</title>"
    return (
        f'<!doctype html><html lang="en"><head>{head}<style>{_STYLE}</style></head>'
        f"<body><h1>{escape(title)}</h1>{body}</body></html>\n"
    )
