"""`token`: create a bearer token for the gateway, or revoke one. Only its hash is stored."""

from __future__ import annotations

import re
from pathlib import Path

from deployer.config import loader
from deployer.config.options import Settings
from deployer.engines.docker.gateway import tokens
from deployer.errors import ConfigError, InvalidValue
from deployer.results.changes import TokenResult

HOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def token(name: str, *, revoke: bool = False, settings: Settings | None = None) -> TokenResult:
    """Create a token for `name` in the file `gateway.tokens`, in the place of a former one; or revoke it.

    The next `up` applies it. Raises ConfigError, InvalidValue.
    """
    chosen = settings or Settings()
    if not HOLDER.fullmatch(name):
        raise InvalidValue(f"token name {name[:40]!r} is not allowed: letters, digits, '_', '.' and '-'")
    path = loader.load(chosen.config, chosen.env, chosen.overrides()).gateway.tokens
    if path is None:
        raise ConfigError("gateway.tokens is not set", hint='tokens = "tokens" under [gateway] in deployer.toml')
    hashes = tokens.read(path) if path.exists() else {}
    if revoke and hashes.pop(name, None) is None:
        raise InvalidValue(f"{path} has no token of {name}", hint=f"there are: {', '.join(sorted(hashes)) or 'none'}")
    created = None if revoke else tokens.generate()
    _write(path, hashes if created is None else {**hashes, name: tokens.hash_token(created)})
    replaced = created is not None and name in hashes
    return TokenResult(name, created, path, (f"this replaces the former token of {name}",) if replaced else ())


def _write(path: Path, hashes: dict[str, str]) -> None:
    try:
        tokens.write(path, hashes)
    except OSError as error:
        raise ConfigError(f"the tokens file {path} cannot be written: {error.strerror}") from error
