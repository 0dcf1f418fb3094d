"""Settings of `DEPLOYER_*` variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_origin

from deployer.config import examples, suggestions
from deployer.config.fields import PREFIX
from deployer.config.spec import Spec
from deployer.config.tables import SECTIONS, TABLES
from deployer.errors import ConfigError
from deployer.system import documents

FILE_VARIABLE = "DEPLOYER_CONFIG"
TEST_PREFIXES = ("DEPLOYER_TEST_", "DEPLOYER_TESTBED_")


def read(environ: Mapping[str, str]) -> dict[str, tuple[str, object]]:
    """Return the settings of the variables by key, each with the variable's name and its typed value."""
    found = {}
    for name, text in sorted(environ.items()):
        if name.startswith(PREFIX) and name != FILE_VARIABLE and not name.startswith(TEST_PREFIXES):
            key = _key_of(name)
            found[key] = (name, _parse(name, key, text))
    return found


def settable_keys() -> tuple[str, ...]:
    """Return the keys that a variable can set: those with a single value."""
    tables = {name.partition(".")[0] for name in TABLES}
    found = [name for name in documents.field_types(Spec) if name not in tables]
    for section, kind in SECTIONS.items():
        types = documents.field_types(kind).items()
        found += [f"{section}.{name}" for name, hint in types if get_origin(hint) not in (dict, tuple)]
    return tuple(found)


def _key_of(name: str) -> str:
    known = {key.replace(".", "_").upper(): key for key in settable_keys()}
    suffix = name.removeprefix(PREFIX)
    if suffix in known:
        return known[suffix]
    raise ConfigError(f"the variable {name} is not a setting", hint=suggestions.suggest(suffix, known, PREFIX))


def _parse(name: str, key: str, text: str) -> object:
    section, _, field = key.rpartition(".")
    try:
        return documents.from_text(documents.field_types(SECTIONS.get(section, Spec))[field], text)
    except documents.Mismatch as error:
        hint = examples.hint(examples.assignment(f"{name}=", key))
        raise ConfigError(f"{name}: {key}: {error.reason}", hint=hint) from error
