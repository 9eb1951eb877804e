"""Base of all validated models (configurations, options, jobs), and their error messages.

A message has one line for each mistake, with the path of the key, the expected and the found value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from tokred.names import nearest

Model = TypeVar("Model", bound=BaseModel)
#: Expected value by type of pydantic's error; fields are those of its context.
_EXPECTED = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "an integer"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "a mapping"),
    **dict.fromkeys(("list_type", "tuple_type"), "a list"),
    "finite_number": "a finite number",
    "greater_than": "a number greater than {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number less than {lt}",
    "less_than_equal": "a number of at most {le}",
    "literal_error": "{expected}",
    "multiple_of": "a multiple of {multiple_of}",
    "string_pattern_mismatch": "text that matches {pattern}",
    "string_too_long": "text of at most {max_length} characters",
    "string_too_short": "text of at least {min_length} characters",
    "string_type": "text",
    "string_unicode": "text in UTF-8",
    "too_long": "at most {max_length} entries",
    "too_short": "at least {min_length} entries",
}


class Strict(BaseModel):
    """A frozen model without unknown keys. Numbers are finite, integers have at most 64 bits."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _check_size(cls, value: Any) -> Any:
        """Tables and tensors store integers in 64 bits."""
        for number in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(number, int) and not -(2**63) <= number < 2**63:
                raise ValueError(f"{number}: expected an integer of at most 64 bits")
        return value


def check_unique(key: str, values: Sequence[object]) -> None:
    """Raises ValueError, with the name of the key, for a list with duplicate entries."""
    duplicates = [value for value, count in Counter(values).items() if count > 1]
    if duplicates:
        raise ValueError(f"{key}: duplicate entries: {', '.join(map(repr, duplicates))}, found {values}")


def parse(model: type[Model], values: Mapping[str, Any], source: str) -> Model:
    """The validated model; ValueError with one line for each wrong key otherwise.

    Args:
        source: origin of the values in the message, such as a file name.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        lines = [f"  {line}" for line in mistakes(model, error)]
        raise ValueError("\n".join([f"{source}: invalid configuration", *lines])) from None


def mistakes(model: type[BaseModel], error: ValidationError) -> list[str]:
    """One line for each mistake that pydantic found in the values of a model."""
    return [_describe(model, item) for item in error.errors()]


def _describe(model: type[BaseModel], item: Mapping[str, Any]) -> str:
    """One line for one of pydantic's errors."""
    keys, node = _locate(model, item["loc"])
    path = ".".join(keys)
    if item["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        known = _locate(model, item["loc"][:-1])[1].get("properties", {})
        return f"{path}: unknown key{_known(keys[-1], known)}"
    if item["type"] == "union_tag_invalid":
        choice = node["discriminator"]
        tag = item["ctx"]["tag"]
        return f"{path}.{choice['propertyName']}: unknown value {tag!r}{_known(tag, choice['mapping'])}"
    if item["type"] == "union_tag_not_found":
        return f"{path}.{node['discriminator']['propertyName']}: missing"
    if item["type"] == "missing":
        return f"{path}: missing"
    if item["type"] == "value_error":
        message = item["msg"].removeprefix("Value error, ")
    else:
        message = f"{_expectation(item)}, found {item['input']!r}"
    return f"{path}: {message}" if path else message


def _expectation(item: Mapping[str, Any]) -> str:
    """The expected value, such as "expected a number greater than 0"; pydantic's words for rare errors."""
    expected = _EXPECTED.get(item["type"])
    return item["msg"] if expected is None else "expected " + expected.format(**item.get("ctx", {}))


def _known(name: str, known: Iterable[str]) -> str:
    return f"{nearest(name, known)}; known: {', '.join(known) or 'none'}"


def _locate(model: type[BaseModel], location: tuple[str | int, ...]) -> tuple[list[str], dict[str, Any]]:
    """Keys of an entry of the configuration, and its JSON schema with references resolved.

    Args:
        location: as in pydantic's errors, where a union of models adds the name of the chosen model, and
            another union the tag of the chosen member.
    """
    schema = model.model_json_schema()
    node, keys = _resolve(schema, schema), []
    for index, part in enumerate(location):
        if "oneOf" in node and "discriminator" not in node:
            node = _resolve(_member(node["oneOf"], *location[index + 1 : index + 2]), schema)
            continue
        chosen = node.get("discriminator", {}).get("mapping", {}).get(part)
        if chosen is not None:
            node = _resolve({"$ref": chosen}, schema)
            continue
        keys.append(str(part))
        named = node.get("properties", {}).get(part)
        patterns = list(node.get("patternProperties", {}).values())
        others = [node.get("items"), node.get("additionalProperties"), *patterns]
        node = _resolve(named or next((other for other in others if isinstance(other, dict)), {}), schema)
    return keys, node


def _member(members: Sequence[dict[str, Any]], following: str | int | None = None) -> dict[str, Any]:
    """The member of a union in which a key, or the name of a model, can follow; the first if none does."""
    members = [member for member in members if "const" not in member]  # a text, which has no keys
    if following is None:
        return members[0]
    named = (m for m in members if following in m.get("discriminator", {}).get("mapping", {}))
    return next(named, members[-1])


def _resolve(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    for option in node.get("anyOf", []):
        if "$ref" in option or "oneOf" in option:
            node = option
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return node
