"""Checks objects that commands printed against their JSON schema, without the fields that a later version may add."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

FILE = Path(__file__).parents[2] / "docs" / "results.schema.json"


def check(name: str, document: Any) -> None:
    """Fail unless an object is what a command prints, or what a class of results has. `name` is either's."""
    problems = [f"{error.json_path}: {error.message}" for error in _validator(name).iter_errors(document)]
    assert not problems, f"{name}: {problems}"


@cache
def _validator(name: str) -> Draft202012Validator:
    definitions = copy.deepcopy(json.loads(FILE.read_text())["$defs"])
    for title, definition in definitions.items():
        if title != "Versioned":
            _close(definition)
    return Draft202012Validator({"$defs": definitions, "$ref": f"#/$defs/{name.replace(' ', '-')}"})


def _close(definition: Any) -> None:
    """Allow no other fields than those of the schema."""
    if isinstance(definition, list):
        for each in definition:
            _close(each)
    elif isinstance(definition, dict):
        if "properties" in definition:
            definition["properties"].setdefault("schema", {})
            definition["additionalProperties"] = False
        for each in [value for key, value in definition.items() if key != "properties"]:
            _close(each)
        for each in definition.get("properties", {}).values():
            _close(each)
