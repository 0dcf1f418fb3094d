"""Reads the file that `env_file` names: `NAME=value` lines, as Compose reads them."""

from __future__ import annotations

from pathlib import Path

from deployer.errors import ConfigError

KEY = "env_file"
SETTINGS = "DEPLOYER_"


def read(path: Path, origin: str) -> dict[str, str]:
    """Return the variables of a file. Raises ConfigError, which begins with the `origin` of the path.

    Blank lines, comments, quotes and `export` are as in Compose; a `$` is a dollar. A name without `=` is left out: its
    value is that of the environment. Source: https://docs.docker.com/compose/how-tos/environment-variables/
    """
    from dotenv.parser import parse_stream  # it takes 30 ms, and few commands need it

    try:
        with path.open(encoding="utf-8-sig") as file:
            bindings = list(parse_stream(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{origin}: {path} cannot be read: {error}", hint="NAME=value lines in UTF-8") from error
    for binding in bindings:
        line = f"{origin}: {path}: line {binding.original.line}"
        if binding.error or "\0" in (binding.value or ""):
            raise ConfigError(f"{line} is not of the form NAME=value", hint="a line that begins with # is a comment")
        if binding.key and binding.key.startswith(SETTINGS):
            hint = f"set the key in deployer.toml, or {binding.key} in the environment"
            raise ConfigError(f"{line}: {binding.key} is a setting of deployer, which this file cannot set", hint=hint)
    return {binding.key: binding.value for binding in bindings if binding.key and binding.value is not None}
