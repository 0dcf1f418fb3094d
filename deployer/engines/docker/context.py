"""Which Docker Engine is meant, as `docker` itself reads it: DOCKER_HOST, DOCKER_CONTEXT, the current context."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer.errors import EngineUnavailable

USUAL = "unix:///var/run/docker.sock"
DEFAULT = "default"


@dataclass(frozen=True)
class Chosen:
    """What chose an engine, `DOCKER_HOST` for example; empty for the usual one, which nothing asked for."""

    by: str
    context: str = ""

    @property
    def named(self) -> str:
        """How an error names it."""
        return f"the Docker Engine that {self.by} names" if self.by else "the Docker Engine"


def chosen(host: str | None = None, environ: Mapping[str, str] = os.environ) -> Chosen:
    """What says which engine is meant; `host` is the setting of that name. Nothing is looked at but names."""
    if host:
        return Chosen("docker.host")
    if environ.get("DOCKER_HOST"):
        return Chosen("DOCKER_HOST")
    if name := environ.get("DOCKER_CONTEXT"):
        return Chosen("" if name == DEFAULT else f"DOCKER_CONTEXT={name}", name)
    name = _current(_folder(environ))
    return Chosen("" if name == DEFAULT else f"the docker context {name}", name)


def address(environ: Mapping[str, str] = os.environ) -> str:
    """The engine's address, such as unix:///var/run/docker.sock. Raises EngineUnavailable for no such context.

    Read here, because the SDK takes the usual engine where it does not find the context that is named.
    """
    if environ.get("DOCKER_HOST"):
        return environ["DOCKER_HOST"]
    name = chosen(None, environ).context
    return USUAL if name == DEFAULT else _host(_folder(environ), name)


def _folder(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("DOCKER_CONFIG") or Path("~/.docker").expanduser())


def _current(folder: Path) -> str:
    try:
        return str(_object(folder / "config.json").get("currentContext") or DEFAULT)
    except (OSError, ValueError, RecursionError):
        return DEFAULT


def _host(folder: Path, name: str) -> str:
    meta = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
    try:
        return str(_object(meta)["Endpoints"]["docker"]["Host"] or USUAL)
    except FileNotFoundError as error:
        raise EngineUnavailable(
            f"there is no docker context {name!r}", hint="docker context ls lists them; DOCKER_CONTEXT chooses one"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineUnavailable(
            f"the docker context {name!r} cannot be read: {error!r}", hint=f"docker context inspect {name}"
        ) from error


def _object(file: Path) -> dict[str, Any]:
    found = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"{file} holds no object")
    return found
