"""Bearer tokens: random, and stored as hashes."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from deployer.engines.docker.gateway.directory import write_private
from deployer.errors import ConfigError

LINE = re.compile(r"([0-9a-f]{64}) ([A-Za-z0-9][A-Za-z0-9_.-]{0,63})")
CREATE_COMMAND = "deployer token NAME"
HEAD = "# SHA-256 of the bearer tokens that a gateway lets in, and whose they are; `deployer token` writes this file.\n"


def generate() -> str:
    """Return a random token of 256 bits, in characters that are allowed in a header."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Return the hash that is stored, and that the gateway compares."""
    return hashlib.sha256(token.encode()).hexdigest()


def read(path: Path) -> dict[str, str]:
    """Return the hashes by the names of their holders. Raise ConfigError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        hint = f"{CREATE_COMMAND} makes a token, and the file"
        raise ConfigError(f"the tokens file {path} cannot be read: {error}", key="gateway.tokens", hint=hint) from error
    hashes = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = LINE.fullmatch(line.strip())
        if not match:
            hint = f"remove the line; {CREATE_COMMAND} adds one"
            raise ConfigError(f"{path}, line {number} is not a hash and a name", key="gateway.tokens", hint=hint)
        hashes[match[2]] = match[1]
    return hashes


def write(path: Path, hashes: Mapping[str, str]) -> None:
    """Write the file atomically, readable only by its owner. Raise OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    lines = (f"{token_hash} {name}\n" for name, token_hash in sorted(hashes.items()))
    write_private(temporary, HEAD + "".join(lines), os.geteuid(), os.getegid())
    temporary.replace(path)


def read_or_create(path: Path) -> str:
    """Return the tool's own token in the file; create it if it is missing."""
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, token := generate(), os.geteuid(), os.getegid())
        return token
