"""`deployer.toml`: every key with type, default, variable and meaning, from the dataclasses of spec/."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, get_args

from chapters.markdown import code, first_line, table
from deployer.config import fields, spec, tables, variables

TABLES: dict[str, type] = {"": spec.Spec, **tables.TABLES}
TYPES = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "Path": "path",
    "tuple[int, ...]": "list of integers",
    "tuple[str, ...]": "list of strings",
    "dict[str, int]": "table of integers",
    "dict[str, str]": "table of strings",
    "dict[str, str | int | float | bool]": "table of values",
}
HEAD = """## deployer.toml

`deployer init` writes an annotated file. Paths are relative to its directory. Values are merged in this order, and
later ones win: the file, its overlay `[env.NAME]`, environment variables, options. `docs/deployer.schema.json` is its
JSON schema, for editors.
"""
OVERLAYS = """### [env.NAME]

An overlay has any of the keys above. The one of the chosen environment applies: tables are merged, other values are
replaced. `--env NAME` or `DEPLOYER_ENV=NAME` chooses the environment; it is no key of the file. Without either it is
`local`, and `[env.local]` applies. `DEPLOYER_CONFIG` names another file, as `--config` does.
"""


def text() -> str:
    """The chapter."""
    return "\n".join((HEAD, *(_table(name, kind) for name, kind in TABLES.items()), OVERLAYS))


def _table(name: str, kind: type) -> str:
    rows = [_row(name, found) for found in fields.own_fields_first(kind) if not _is_table(found)]
    title = f"[{name}]" if name else "At the top"
    return f"### {title}\n\n{first_line(kind.__doc__)}\n\n" + table(
        ("Key", "Type", "Default", "Variable", "Meaning"), rows
    )


def _is_table(found: Any) -> bool:
    return found.name in {"env", *(name.partition(".")[0] for name in TABLES)}


def _row(section: str, found: Any) -> tuple[str, ...]:
    path = f"{section}.{found.name}" if section else found.name
    variable = variables.PREFIX + path.replace(".", "_").upper() if path in variables.settable_keys() else ""
    return code(found.name), type_text(found.type), code(_default(found)), code(variable), found.metadata["doc"]


def type_text(annotation: str) -> str:
    """A Python annotation in TOML's words."""
    plain = annotation.removesuffix(" | None")
    if plain in TYPES:
        return TYPES[plain]
    return ", ".join(code(choice) for choice in get_args(getattr(spec, plain)))


def _default(found: Any) -> str:
    if found.default is dataclasses.MISSING or found.default is None:
        return ""
    return str(found.default) if isinstance(found.default, Path) else json.dumps(found.default)
