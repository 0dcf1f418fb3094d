"""Examples of settings, for hints: those of the annotated `deployer.toml` that `deployer init` writes."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache

from deployer.config.tables import OF_A_MODEL, TABLES
from deployer.config.templates import builtin_templates

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SETTING = re.compile(r"(?:# )?(?P<key>[a-z_]+) = (?P<value>.+?)(?:\s+# .*)?")
TABLE = re.compile(r"(?:# )?\[(?P<name>.+?)\](?:\s.*)?")
NAME = re.compile(r"\{\{ \w+ \}\}")
OVERLAYS = "env."


def example_of(key_path: tuple[str, ...]) -> str:
    """Return the setting or the table at a path of the document, as the file has it; empty if it is unknown."""
    prefix, path = _split(key_path)
    if path in TABLES:
        return f"[{prefix}]"
    value = _values().get(path)
    return f"{f'{prefix}.' if prefix else ''}{path.rpartition('.')[2]} = {value}" if value else ""


def assignment(setter: str, key: str) -> str:
    """Return the example of a key after `--option ` or `VARIABLE=`, as typed in a shell; empty if there is none."""
    written = _values().get(key)
    if written is None:
        return ""
    value = tomllib.loads(f"value = {written}")["value"]
    return f"{setter}{shlex.quote(str(value).lower() if isinstance(value, bool) else str(value))}"


def hint(example: str) -> str | None:
    """Return the hint with an example; None without one."""
    return f"for example {example}" if example else None


def _split(key_path: tuple[str, ...]) -> tuple[str, str]:
    """Return the table of a path as the file names it, and the path of the setting or the table for `_values`."""
    if key_path[:1] == ("models",):
        table = OF_A_MODEL if len(key_path) < 2 else f"models.{_quoted(key_path[1])}"
        return table, f"{OF_A_MODEL}.{key_path[2]}" if len(key_path) > 2 else OF_A_MODEL
    if key_path[:1] and key_path[0] in TABLES:
        return key_path[0], ".".join(key_path[:2])
    return "", ".".join(key_path[:1])


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


@lru_cache(maxsize=1)
def _values() -> Mapping[str, str]:
    """Return the values of the annotated file by key, as TOML."""
    text = (builtin_templates() / "deployer.toml.j2").read_text(encoding="utf-8")
    return dict(_settings(text))


def _settings(text: str) -> Iterator[tuple[str, str]]:
    table = ""
    for line in text.splitlines():
        if found := TABLE.fullmatch(line):
            table = f"{NAME.sub('NAME', found['name'])}."
        elif not table.startswith(OVERLAYS) and (setting := SETTING.fullmatch(line)):
            yield f"{table}{setting['key']}", NAME.sub("digits", setting["value"])
