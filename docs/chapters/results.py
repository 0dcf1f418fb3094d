"""What `--json` prints: the dataclasses that the Python API returns, field by field."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from importlib import import_module
from itertools import pairwise
from typing import Any, cast, get_type_hints

from chapters.markdown import code, first_line, table
from deployer.cli.app import ALIASES, names
from deployer.console.objects import SCHEMA
from deployer.results import (
    bench,
    changes,
    checks,
    deployment,
    differences,
    history,
    images,
    logs,
    model,
    plan,
    running,
    traffic,
    versions,
)

OTHERWISE: dict[str, type | str] = {
    "init": '`{"path"}`: the file that was written',
    "plan": changes.UpResult,
    "label": changes.UpResult,
    "status": running.DeploymentStatus,
    "logs": '`{"lines"}`: a list of strings; with `--follow` a [LogLine](#logline) on each line',
    "predict": "the server's answer as it is, with `schema`",
}
"""Commands that print something else than the result of the operation of their name."""
HOMES = (
    bench,
    changes,
    checks,
    differences,
    history,
    images,
    logs,
    running,
    traffic,
    versions,
    deployment,
    model,
    plan,
)
LISTS = {"status": "deployments"}
PROPERTIES = {
    bench.BenchResult: {"ok": "bool"},
    bench.BenchStage: {"name": "str"},
    checks.Report: {"ok": "bool"},
    checks.DoctorResult: {"ok": "bool"},
    plan.Plan: {"digest": "str"},
    plan.Step: {"kind": "str", "action": "str"},
    model.GoldenSummary: {"fidelity": "str"},
}
HEAD = """## Results as JSON

With `--json`, every command prints one object to stdout. Its first field, `schema`, is the version of these objects,
now `{version}`. It changes when a field goes or gets another meaning; ignore fields that you do not know. In the JSON
schema, `docs/results.schema.json`, `#/$defs/status` is what `deployer status --json` prints, errors included. The
functions of the package `deployer` return the same as frozen dataclasses.
"""


def text() -> str:
    """The chapter: what each command prints, then every object."""
    results = printed()
    rows = ((code(name), _printed(name, result)) for name, result in results.items())
    kinds = _reached([*(result for result in results.values() if isinstance(result, type)), logs.LogLine])
    return "\n".join((HEAD.format(version=SCHEMA), table(("Command", "Prints"), rows), *map(_object, kinds)))


def printed() -> dict[str, type | str]:
    """What each command prints: a dataclass, or a text about it."""
    return {name: OTHERWISE.get(name) or _returned(name) for name in names() if name not in ALIASES}


def _returned(command: str) -> type:
    """What the operation of a command returns."""
    name = command.replace(" ", "_")
    operation = getattr(import_module(f"deployer.operations.{name}"), name)
    return cast("type", get_type_hints(operation)["return"])


def _printed(name: str, result: type | str) -> str:
    if isinstance(result, str):
        return result
    return f'`{{"{LISTS[name]}"}}`: a list of {_link(result)}' if name in LISTS else _link(result)


def _link(kind: type) -> str:
    return f"[{kind.__name__}](#{kind.__name__.lower()})"


def _reached(kinds: list[type]) -> list[type]:
    """These dataclasses and those in their fields, each once."""
    found: dict[type, None] = {}
    while kinds:
        kind = kinds.pop(0)
        if kind not in found:
            found[kind] = None
            kinds += [
                other for field in _fields(kind).values() for other in _named(field) if dataclasses.is_dataclass(other)
            ]
    return list(found)


def _fields(kind: Any) -> dict[str, str]:
    return {field.name: str(field.type) for field in dataclasses.fields(kind)} | PROPERTIES.get(kind, {})


def _named(annotation: str) -> list[Any]:
    words = re.findall(r"[A-Z]\w+", annotation)
    return [
        next(getattr(home, word) for home in HOMES if hasattr(home, word))
        for word in words
        if word not in ("None", "Mapping")
    ]


def _object(kind: type) -> str:
    documented = meanings(kind)
    rows = ((code(name), _type(annotation), documented.get(name, "")) for name, annotation in _fields(kind).items())
    return f"### {kind.__name__}\n\n{first_line(kind.__doc__)}\n\n" + table(("Field", "Type", "Meaning"), rows)


def meanings(kind: type) -> dict[str, str]:
    """The docstrings of fields, which stand below them, and of properties."""
    body = cast("ast.ClassDef", ast.parse(inspect.getsource(kind)).body[0]).body
    found = {
        field.target.id: first_line(below.value.value)
        for field, below in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }
    return found | {name: first_line(getattr(kind, name).__doc__) for name in PROPERTIES.get(kind, {})}


def _type(annotation: str) -> str:
    """The annotation in JSON's words; our own classes as links."""
    text = re.sub(r"tuple\[(\w+), \.\.\.\]", r"list of \1", annotation)
    text = re.sub(r"tuple\[tuple\[str, int\], \.\.\.\]", "list of [string, integer]", text)
    text = re.sub(r"Mapping\[str, str\]", "object of strings", text)
    text = re.sub(r"Mapping\[str, object\]", "object", text)
    for word, said in (
        ("str", "string"),
        ("int", "integer"),
        ("float", "number"),
        ("bool", "boolean"),
        ("None", "null"),
    ):
        text = re.sub(rf"\b{word}\b", said, text)
    text = re.sub(r"\b(Path|Change|Outcome)\b", "string", text)
    text = re.sub(r"\bShape\b", "list of integer or null, or null", text)
    return re.sub(r"\b[A-Z]\w+\b", lambda found: f"[{found[0]}](#{found[0].lower()})", text.replace(" | ", " or "))
