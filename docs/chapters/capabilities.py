"""What each engine and each form supports: every setting, from the table that refuses the others."""

from __future__ import annotations

from collections.abc import Iterator

from chapters.configuration import TABLES
from chapters.markdown import code, table
from deployer.config import fields
from deployer.config.capabilities import ENGINES, FORMS, LIMITS, UNUSED, Limit, row_of

TARGETS = (*ENGINES, *FORMS)
HEAD = """# Capabilities

Generated from the code by `make docs`; do not edit.

Which settings of `deployer.toml` have an effect on the engines `docker`, `embedded` and `swarm`, and in the files that
`deployer render` writes: `compose`, `docker-run`, `k8s` and `kserve`.

- **yes**: the setting has an effect.
- **refused**: exit code 3 with the key, before anything is started or written. `yes; refused:` names values that are.
- **no**: the setting describes something that the engine or form does not have. A document may have it for another one.
  An option that sets it is refused, and a variable is noted.

Flags of the server have [a table of their own](reference.md#server-flags).
"""


def text() -> str:
    """The document."""
    chapters = (_chapter(name, list(_keys(name, kind))) for name, kind in TABLES.items())
    return "\n".join((HEAD, *chapters, _reasons()))


def _keys(name: str, kind: type) -> Iterator[str]:
    for found in fields.own_fields_first(kind):
        if name or found.name not in TABLES:
            yield f"{name}.{found.name}".lstrip(".")


def _chapter(name: str, keys: list[str]) -> str:
    keys = [key for key in keys if key != "env"]
    if not name:
        keys = [key for key in keys if key != "models"] + ["models"]
    rows = ((code(key), *(_cell(target, key) for target in TARGETS)) for key in keys)
    return f"## {f'[{name}]' if name else 'At the top'}\n\n" + table(("Key", *TARGETS), rows)


def _cell(target: str, key: str) -> str:
    row = row_of(target, key)
    if row is None:
        return "yes"
    if isinstance(row, Limit):
        return f"yes; refused: {row.values}" if row.values else "refused"
    return "no"


def _reasons() -> str:
    refused = ((_codes(limit.keys), limit.values or "any value", ", ".join(limit.targets), limit.reason)
               for limit in LIMITS)  # fmt: skip
    unused = ((_codes(row.keys), ", ".join(row.targets), row.reason) for row in UNUSED)
    return (
        "## Why settings are refused\n\n"
        + table(("Keys", "Values", "By", "Reason"), refused)
        + "\n## Why settings have no effect\n\n"
        + table(("Keys", "On", "Reason"), unused)
    )


def _codes(keys: tuple[str, ...]) -> str:
    return ", ".join(map(code, keys))
