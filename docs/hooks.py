"""Hooks of `mkdocs build`: pages that are made from other files of the repository.

MkDocs calls the functions `on_...`. A page that exists as a file elsewhere (CONTRIBUTING.md), or follows from
code (the schemas of the configuration and of tables), is generated while the site is built.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from tokred.tables import schemas

ROOT = Path(__file__).parents[1]
#: Pages that are files outside of docs/, by the file's name.
FROM_ROOT = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
#: Pages that are generated from a file, by its path. On a code host, links to these pages lead to the file.
GENERATED = {
    "workflow/schema/config.schema.json": "configuration.md",
    "tokred/tables/schemas.py": "tables.md",
}
#: Pages that are one section of the README, by its heading.
FROM_README = {"Adding a method": "adding-a-method.md"}
#: Draws the diagrams; 2.5 MB, so it comes by `npm ci --prefix tests/javascript`. Without that, Material
#: for MkDocs has browsers load Mermaid from a server.
MERMAID = ROOT / "tests/javascript/node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    pages = {page: (ROOT / name).read_text(encoding="utf-8") for name, page in FROM_ROOT.items()}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pages |= {page: section(readme, heading) for heading, page in FROM_README.items()}
    schema = json.loads((ROOT / "workflow/schema/config.schema.json").read_text(encoding="utf-8"))
    pages |= dict(zip(GENERATED.values(), (configuration(schema), tables()), strict=True))
    for page, text in pages.items():
        files.append(File.generated(config, page, content=text))
    if MERMAID.exists():
        files.append(File.generated(config, f"assets/{MERMAID.name}", abs_src_path=str(MERMAID)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links at pages of the site that are files elsewhere in the repository."""
    return local_links(markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Load Mermaid from the site on the pages with a diagram."""
    if '<pre class="mermaid">' not in html or not MERMAID.exists():
        return html
    return f'{html}\n<script src="assets/{MERMAID.name}"></script>'


def local_links(markdown: str) -> str:
    """Text in which links to pages are right from the folder of all pages, docs/.

    >>> local_links("[a](docs/models.md#hooks), [b](../CONTRIBUTING.md), [c](README.md#adding-a-method)")
    '[a](models.md#hooks), [b](contributing.md), [c](adding-a-method.md)'
    """
    for heading, page in FROM_README.items():
        anchor = heading.lower().replace(" ", "-")
        markdown = re.sub(rf"\]\((?:\.\./)?README\.md#{anchor}\)", f"]({page})", markdown)
    for name, page in (FROM_ROOT | GENERATED).items():
        markdown = re.sub(rf"\]\((?:\.\./)?{re.escape(name)}", f"]({page}", markdown)
    return re.sub(r"\]\(docs/", "](", markdown)


def section(text: str, heading: str) -> str:
    """One section of a page, as a page.

    Raises:
        ValueError: the page has no such section.
    """
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    if found is None:
        raise ValueError(f"README.md: expected a section {heading!r}")
    return f"# {heading}\n{found[1]}"


def configuration(schema: Mapping[str, Any]) -> str:
    """The page of all keys of the configuration, from its JSON schema."""
    parts = [
        "# Configuration\n\n"
        "Every key of a study's configuration, generated from `workflow/schema/config.schema.json`. "
        "`config.yaml` is the default study; [another study](studies.md) sets only the keys in which it "
        "differs. Any other key is an error.\n",
        _keys("Study", schema, []),
    ]
    for name, places in _places(schema).items():
        parts.append(_keys(_title(name), schema["$defs"][name], places))
    return "\n".join(parts)


def _places(schema: Mapping[str, Any]) -> dict[str, list[str]]:
    """The models in the schema, in the order in which they are met, and the keys that hold each of them."""
    found: dict[str, list[str]] = {}

    def visit(node: Mapping[str, Any], place: str) -> None:
        if "$ref" in node:
            name = _model(node)
            found.setdefault(name, []).append(place)
            if len(found[name]) == 1:
                visit(schema["$defs"][name], place)
        for key, field in node.get("properties", {}).items():
            visit(field, f"{place}.{key}".lstrip("."))
        for option in (*node.get("anyOf", ()), *node.get("oneOf", ())):
            visit(option, place)
        for values in (*node.get("patternProperties", {}).values(), node.get("additionalProperties")):
            if isinstance(values, dict):
                visit(values, f"{place}.<name>")
        if "items" in node:
            visit(node["items"], f"{place}[]")

    visit(schema, "")
    return found


def _model(field: Mapping[str, Any]) -> str:
    """Name of the model that a field refers to."""
    return field["$ref"].rpartition("/")[2]


def _title(model: str) -> str:
    """The section of a model: what a study leaves out of a training has its default elsewhere."""
    return model.replace("PartialTraining", "Training")


def _keys(title: str, model: Mapping[str, Any], places: list[str]) -> str:
    lines = [f"## {title}\n"]
    if places:
        lines += ["Value of " + ", ".join(f"`{place}`" for place in places) + ".\n"]
    lines += [escaped(model.get("description", "")) + "\n"]
    if "properties" not in model:  # a union with a name
        lines += [f"{_type(model)}.\n"]
    for key, field in model.get("properties", {}).items():
        default = "required" if key in model.get("required", ()) else f"default {_default(field)}"
        lines += [f"`{key}`{{ #{title.lower()}-{key} }}"]
        lines += [f":   {_type(field)}, {default}. {_sentence(field.get('description', ''))}\n"]
    return "\n".join(lines)


def _sentence(text: str) -> str:
    text = escaped(text.replace("\n", " "))
    return text[:1].upper() + text[1:] + "." * (text[-1:] not in ("", "."))


def escaped(text: str) -> str:
    """Text in which `<` is no tag of HTML; code in backticks stays as it is.

    >>> escaped("results/<study>, `a < b`")
    'results/&lt;study>, `a < b`'
    """
    parts = text.split("`")
    return "`".join(part if index % 2 else part.replace("<", "&lt;") for index, part in enumerate(parts))


def _default(field: Mapping[str, Any]) -> str:
    if "default" not in field:
        return "see below"
    if isinstance(field["default"], dict) and field["default"]:
        return "as in the linked section"
    return f"`{json.dumps(field['default'])}`"


def _type(field: Mapping[str, Any]) -> str:
    """What values a field takes, in words, with links to the sections of other models."""
    if "$ref" in field:
        title = _title(_model(field))
        return f"[{title}](#{title.lower()})"
    for either in ("anyOf", "oneOf"):
        if either in field:
            return " or ".join(dict.fromkeys(map(_type, field[either])))
    if "enum" in field:
        return "one of " + ", ".join(f"`{json.dumps(value)}`" for value in field["enum"])
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    kind = field.get("type", "any value")
    if "prefixItems" in field:
        return f"list of {len(field['prefixItems'])} numbers"
    if kind == "array":
        return f"list ({_type(field['items'])})"
    if kind == "object":
        values = [*field.get("patternProperties", {}).values(), field.get("additionalProperties")]
        value = next((v for v in values if isinstance(v, dict)), None)
        return f"mapping of names to {_type(value)}" if value else "mapping"
    bounds = [f"{sign} {field[key]}" for key, sign in _BOUNDS.items() if key in field]
    return f"{kind} ({', '.join(bounds)})" if bounds else kind


#: Keywords of JSON schemas, and how they are written.
_BOUNDS = {
    "minimum": "≥",
    "exclusiveMinimum": ">",
    "maximum": "≤",
    "exclusiveMaximum": "<",
    "multipleOf": "multiple of",
}


def tables() -> str:
    """The page of the schemas of all tables."""
    return "# Result tables\n\n" + "\n".join(_tables())


def _tables() -> Iterator[str]:
    yield (
        "Columns of every kind of table, generated from `tokred/tables/schemas.py`. "
        "[Analyze results](results.md) shows how to read them, and which tables a study has.\n"
    )
    source = Path(schemas.__file__).read_text(encoding="utf-8")
    for comment, name in re.findall(r"((?:^#: .*\n)+)^([A-Z_]+) = pa\.schema", source, re.M):
        schema: pa.Schema = getattr(schemas, name)
        yield f"## {name.lower()}\n\n{escaped(comment.replace('#: ', ''))}"
        yield "| column | type |\n| --- | --- |"
        for field in schema:
            yield f"| `{field.name}` | {kind_of(field.type)} |"
        yield ""


def kind_of(column: pa.DataType) -> str:
    """A type of a column, as readers know it.

    >>> kind_of(pa.dictionary(pa.int32(), pa.string())), kind_of(pa.list_(pa.int8()))
    ('text', 'list of int8')
    """
    if pa.types.is_dictionary(column):
        return kind_of(column.value_type)
    if pa.types.is_list(column) or pa.types.is_fixed_size_list(column):
        return f"list of {kind_of(column.value_type)}"
    return "text" if column == pa.string() else str(column)
