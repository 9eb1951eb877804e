"""What README and docs tell people to type: commands, blocks of Python, and configurations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
#: First words of shell commands.
PROGRAMS = (
    "snakemake",
    "tokred",
    "python",
    "pip",
    "pytest",
    "mkdocs",
    "scancel",
    "export",
    "git",
    "apt-get",
    "scontrol",
    ".ci/run",
)
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_INDENTED = re.compile(r"(?:^\n)((?:^    .*\n)+)", re.M)
_INLINE = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")


@dataclass(frozen=True)
class Block:
    """A passage that means something to a program.

    Attributes:
        page: file name of the page.
        kind: "command", "python", "yaml", or "text" for other blocks.
        text: without fences and indentation; one command, with its continued lines joined.
    """

    page: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text.splitlines()[0]}"


def commands() -> list[str]:
    """All commands, those that are joined apart."""
    found = [part for block in blocks() if block.kind == "command" for part in block.text.split(" && ")]
    return sorted(set(found))


def is_own(command: str) -> bool:
    """Whether a command calls the program `tokred`, which tests/cli/test_documented.py runs."""
    return re.match(r"(python -m )?tokred( |$)", command) is not None


def blocks() -> list[Block]:
    """All blocks of all pages, in order of kind and place."""
    return [block for path in PAGES for block in _of_page(path.name, path.read_text(encoding="utf-8"))]


def _of_page(page: str, text: str) -> Iterator[Block]:
    for language, content in _FENCED.findall(text):
        kind = {"python": "python", "yaml": "yaml"}.get(language)
        if kind is None:
            yield from _commands(page, content, language or "text")
        else:
            yield Block(page, kind, content)
    prose = _FENCED.sub("", text)
    for content in _INDENTED.findall(prose):
        yield from _commands(page, re.sub(r"^    ", "", content, flags=re.M), "text")
    for content in _INLINE.findall(_INDENTED.sub("\n", prose)):
        words = content.split()
        if len(words) > 1 and words[0] in PROGRAMS:
            yield Block(page, "command", " ".join(words))


def _commands(page: str, content: str, otherwise: str) -> Iterator[Block]:
    """The commands of a block, one by one; the whole block where it has none."""
    lines = content.replace("\\\n", " ").splitlines()
    typed = [line for line in lines if line.startswith(("--", *PROGRAMS))]
    if len(typed) < len([line for line in lines if line.strip()]):
        yield Block(page, otherwise, content)
        return
    for line in typed:
        yield Block(page, "command", " ".join(line.partition("  #")[0].split()))
