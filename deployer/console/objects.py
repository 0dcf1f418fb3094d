"""Prints results and errors as one JSON object on stdout."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from deployer.console import terminal
from deployer.console.lines import out
from deployer.errors import DeployerError
from deployer.results.bench import BenchResult, BenchStage
from deployer.results.checks import DoctorResult, Report
from deployer.results.history import Release
from deployer.results.model import GoldenSummary
from deployer.results.plan import Plan

SCHEMA = 1
"""The version of the objects. It changes when a field goes or gets another meaning; new fields keep it."""


def show_json(result: object) -> None:
    """Print a result as one JSON object."""
    out(_dumps(_versioned(json_value(result))))


def show_json_line(result: object) -> None:
    """Print a result as one object on one line."""
    out(_dumps(_versioned(json_value(result)), indent=None))


def show_answer(answer: object) -> None:
    """Print the answer of a model server as it is."""
    out(_dumps(answer))


def error_json(failure: DeployerError, code: int | None = None) -> None:
    """Print an error as one JSON object on one line, with the results and notices that it carries.

    `code` is the exit code if it is not that of the error.
    """
    error = {
        "code": code or failure.exit_code,
        "message": failure.message,
        "hint": failure.hint,
        "log": list(failure.log),
    }
    key = "releases" if isinstance(next(iter(failure.results), None), Release) else "deployments"
    results = {key: json_value(failure.results)} if failure.results else {}
    texts = [*failure.notices, *filter(None, (failure.serving,))]
    notices = {"notices": texts} if texts else {}
    out(_dumps(_versioned({**results, **notices, "error": error}), indent=None))


def json_value(value: object) -> object:
    """Return a value as JSON has it: a dataclass as an object with its properties, a path or an enum as a string."""
    if isinstance(value, Plan):
        steps = [{"kind": step.kind, "action": step.action, "cause": step.cause} for step in value.all_steps]
        plan = {"change": value.change.value, "deployment": value.deployment, "engine": value.engine}
        machine = {"address": value.address, "selected_by": value.selected_by}
        described = {"server": value.server, "recovery": list(value.recovery), "steps": steps}
        contents = {"contents": list(value.contents), "digest": value.digest}
        return {**plan, **machine, **described, **contents}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            field.name: json_value(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if not field.metadata.get("internal")
        }
        return {**fields, **_computed_fields(value)}
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value


def _versioned(value: object) -> object:
    return {"schema": SCHEMA, **value} if isinstance(value, dict) else value


def _dumps(document: object, indent: int | None = 2) -> str:
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    text = json.dumps(document, indent=indent, ensure_ascii=not unicode)
    return terminal.CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _computed_fields(value: object) -> dict[str, object]:
    if isinstance(value, GoldenSummary):
        return {"fidelity": value.fidelity}
    if isinstance(value, BenchStage):
        return {"name": value.name}
    return {"ok": value.ok} if isinstance(value, (Report, DoctorResult, BenchResult)) else {}
