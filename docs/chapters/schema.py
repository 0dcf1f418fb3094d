"""The JSON schema of `deployer.toml`: pydantic's of the Spec, with its help texts and the overlays."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

from pydantic import TypeAdapter

from chapters.configuration import TABLES
from deployer.config.spec import Spec


def document() -> dict[str, Any]:
    """The schema."""
    schema = TypeAdapter(Spec).json_schema()
    described = {kind.__name__: kind for kind in TABLES.values()}
    for name, definition in schema.get("$defs", {}).items():
        _describe(definition, described[name])
    _describe(schema, Spec)
    _add_overlays(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_untitled(schema), "title": "deployer.toml"}


def _describe(definition: dict[str, Any], kind: Any) -> None:
    definition["description"] = " ".join((kind.__doc__ or "").split())
    for field in dataclasses.fields(kind):
        definition["properties"][field.name]["description"] = field.metadata["doc"]


def _add_overlays(schema: dict[str, Any]) -> None:
    del schema["properties"]["env"]
    keys = ("properties", "additionalProperties", "type")
    overlay = copy.deepcopy({key: schema[key] for key in keys if key in schema})
    schema["$defs"]["Overlay"] = {**overlay, "description": "laid over the rest in its environment"}
    overlays = {"type": "object", "additionalProperties": {"$ref": "#/$defs/Overlay"}}
    schema["properties"]["env"] = {**overlays, "description": "overlays, by the environment's name"}


def _untitled(node: Any) -> Any:
    """Without the titles that pydantic makes from the names."""
    if isinstance(node, dict):
        return {key: _untitled(value) for key, value in node.items() if not (key == "title" and isinstance(value, str))}
    return [_untitled(item) for item in node] if isinstance(node, list) else node
