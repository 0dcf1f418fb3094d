"""The JSON schema of what `--json` prints, from the dataclasses of `deployer.results`."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from chapters.markdown import first_line
from chapters.results import HOMES, LISTS, PROPERTIES, meanings, printed
from deployer.console.objects import SCHEMA
from deployer.results import changes, logs, running

NAMES = {name: value for home in HOMES for name, value in vars(home).items()}
"""What annotations may name, also those that are imported for the type checker alone."""
PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null", Path: "string"}
STRING = {"type": "string"}
OTHERWISE = {
    "init": {"type": "object", "properties": {"path": STRING}, "required": ["path"]},
    "logs": {
        "anyOf": [
            {"type": "object", "properties": {"lines": {"type": "array", "items": STRING}}, "required": ["lines"]},
            {"$ref": "#/$defs/LogLine"},
        ]
    },
    "predict": {"type": "object", "description": "the server's answer"},
}
"""Commands that print no dataclass."""
ERROR = {
    "code": {"type": "integer", "description": "the exit code"},
    "message": STRING,
    "hint": {"type": ["string", "null"], "description": "the next command to type"},
    "log": {"type": "array", "items": STRING, "description": "the last lines of the server's log"},
}
HEAD = (
    "What deployer's commands print with --json. #/$defs/COMMAND is one command, such as #/$defs/image-build. "
    "Fields may be added without another version."
)


def document() -> dict[str, Any]:
    """The schema."""
    kinds: dict[str, Any] = {"Versioned": _object({"schema": {"const": SCHEMA}}, "The version of the object.")}
    commands = {name.replace(" ", "-"): _command(name, result, kinds) for name, result in printed().items()}
    _add(logs.LogLine, kinds)
    deployments = {"type": "array", "items": {"anyOf": [_type(each, kinds) for each in _PARTIAL]}}
    kinds["Failure"] = {
        **_object({"error": _object(ERROR, "What failed.")}, "A command that failed."),
        "allOf": [{"$ref": "#/$defs/Versioned"}],
    }
    kinds["Failure"]["properties"] |= {"notices": {"type": "array", "items": STRING}, "deployments": deployments}
    references = [{"$ref": f"#/$defs/{name}"} for name in commands]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "deployer --json",
        "description": HEAD,
        "anyOf": references,
        "$defs": commands | dict(sorted(kinds.items())),
    }


_PARTIAL = (running.DeploymentStatus, changes.DownResult)
"""What an error may carry: the results of the engines that answered."""


def _command(name: str, result: type | str, kinds: dict[str, Any]) -> dict[str, Any]:
    shape = OTHERWISE[name] if isinstance(result, str) else _type(result, kinds)
    if name in LISTS:
        shape = _object({LISTS[name]: {"type": "array", "items": shape}})
    if name == "down":
        shape = {"anyOf": [shape, _object({"deployments": {"type": "array", "items": shape}})]}
    versioned = {"allOf": [{"$ref": "#/$defs/Versioned"}, shape]}
    return {"title": f"deployer {name} --json", "anyOf": [versioned, {"$ref": "#/$defs/Failure"}]}


def _object(properties: Mapping[str, Any], description: str = "") -> dict[str, Any]:
    described = {"description": description} if description else {}
    return {**described, "type": "object", "properties": dict(properties), "required": list(properties)}


def _type(annotation: Any, kinds: dict[str, Any]) -> dict[str, Any]:
    """The schema of an annotation; dataclasses are added to `kinds`, and referred to."""
    if annotation is object:
        return {}
    if annotation in PLAIN:
        return {"type": PLAIN[annotation]}
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return {"enum": [each.value for each in annotation]}
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        _add(annotation, kinds)
        return {"$ref": f"#/$defs/{annotation.__name__}"}
    return _generic(get_origin(annotation), get_args(annotation), kinds)


def _generic(origin: Any, arguments: tuple[Any, ...], kinds: dict[str, Any]) -> dict[str, Any]:
    """The schema of a union, a tuple or a mapping."""
    schemas = [_type(each, kinds) for each in arguments if each is not Ellipsis]
    if origin in (Union, types.UnionType):
        return {"anyOf": schemas}
    if origin is tuple and arguments[-1] is Ellipsis:
        return {"type": "array", "items": schemas[0]}
    if origin is tuple:
        return {"type": "array", "prefixItems": schemas, "minItems": len(schemas), "maxItems": len(schemas)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": schemas[1]}
    raise TypeError(f"no JSON schema for {origin}")


def _add(kind: Any, kinds: dict[str, Any]) -> None:
    """Add the schema of a dataclass."""
    if kind.__name__ in kinds:
        return
    kinds[kind.__name__] = {}  # it may refer to itself
    hints = get_type_hints(kind, localns=NAMES)
    shown = {field.name: hints[field.name] for field in dataclasses.fields(kind) if not field.metadata.get("internal")}
    shown |= {name: PLAIN_NAMES[text] for name, text in PROPERTIES.get(kind, {}).items()}
    documented = meanings(kind)
    properties = {name: _type(annotation, kinds) for name, annotation in shown.items()}
    for name, schema in properties.items():
        if documented.get(name):
            schema["description"] = documented[name]
    kinds[kind.__name__] = _object(properties, first_line(kind.__doc__))


PLAIN_NAMES = {"bool": bool, "str": str}
