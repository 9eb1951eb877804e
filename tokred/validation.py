"""Validated models of what users write, and errors that a person can act on.

Configurations, options and jobs all derive from `Strict`, so that a mistake reads the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from tokred.names import nearest

Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """Frozen, and closed: an unknown key is an error. Numbers are finite, and integers have 64 bits."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _check_size(cls, value: Any) -> Any:
        """Tables and tensors hold integers of 64 bits."""
        for number in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(number, int) and not -(2**63) <= number < 2**63:
                raise ValueError(f"{number}: expected an integer of at most 64 bits")
        return value


def parse(model: type[Model], values: Mapping[str, Any], source: str) -> Model:
    """The validated model; ValueError with one line for each wrong key otherwise.

    Args:
        source: what the message calls the origin of the values, such as a file name.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        lines = [f"  {_describe(model, item)}" for item in error.errors()]
        raise ValueError("\n".join([f"{source}: configuration is not valid", *lines])) from None


def _describe(model: type[BaseModel], item: Mapping[str, Any]) -> str:
    path = ".".join(str(part) for part in item["loc"])
    if item["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        known = _fields_at(model, item["loc"][:-1])
        return f"{path}: unknown key{nearest(str(item['loc'][-1]), known)}; known: {', '.join(known)}"
    if item["type"] == "missing":
        return f"{path}: missing"
    message = item["msg"].removeprefix("Value error, ")
    found = "" if item["type"] == "value_error" else f", found {item['input']!r}"
    return f"{path}: {message}{found}" if path else message


def _fields_at(model: type[BaseModel], location: tuple[str | int, ...]) -> list[str]:
    """Field names of the model at a place of the configuration."""
    schema = model.model_json_schema()
    node: dict[str, Any] = schema
    for part in location:
        node = _resolve(node, schema)
        named = node.get("properties", {}).get(part)
        patterns = list(node.get("patternProperties", {}).values())
        others = [node.get("items"), node.get("additionalProperties"), *patterns]
        node = named or next((other for other in others if other), {})
    return list(_resolve(node, schema).get("properties", {}))


def _resolve(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    for option in node.get("anyOf", []):
        if "$ref" in option:
            node = option
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return node
