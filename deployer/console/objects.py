"""Results and errors as one JSON object on stdout."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from deployer.console.lines import out
from deployer.errors import DeployerError
from deployer.results.checks import DoctorResult, Report
from deployer.results.model import GoldenSummary
from deployer.results.plan import Plan


def show_json(result: Any) -> None:
    """Any result as one object; lists of results as an object with one key."""
    out(_dumps(json_value(result)))


def error_json(failure: DeployerError) -> None:
    """An error as one object, beside what was found or done in spite of it, and the notices."""
    document = {"code": failure.exit_code, "message": failure.message, "hint": failure.hint, "log": list(failure.log)}
    done = {"deployments": json_value(failure.results)} if failure.results else {}
    notices = {"notices": list(failure.notices)} if failure.notices else {}
    out(_dumps({**done, **notices, "error": document}))


def json_value(value: Any) -> Any:
    """Values as JSON has them: dataclasses as objects with their properties, paths and enums as text."""
    if isinstance(value, Plan):
        steps = [{"kind": step.kind, "action": step.action, "cause": step.cause} for step in value.all_steps]
        fields = {"change": value.change.value, "deployment": value.deployment, "server": value.server}
        return {**fields, "steps": steps, "digest": value.digest}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {found.name: json_value(getattr(value, found.name)) for found in dataclasses.fields(value)}
        return {**fields, **_computed_fields(value)}
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value


def _dumps(document: Any) -> str:
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    return json.dumps(document, indent=2, ensure_ascii=not unicode)


def _computed_fields(value: Any) -> dict[str, Any]:
    if isinstance(value, GoldenSummary):
        return {"fidelity": value.fidelity}
    return {"ok": value.ok} if isinstance(value, (Report, DoctorResult)) else {}
