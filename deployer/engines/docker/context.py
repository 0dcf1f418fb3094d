"""The selected Docker Engine, as `docker` reads it: DOCKER_HOST, DOCKER_CONTEXT, the current context."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer.errors import EngineUnavailable

UNIX_SCHEME = "unix://"
DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
DEFAULT_CONTEXT = "default"


@dataclass(frozen=True)
class TlsFiles:
    """The certificates for an engine: of its authority, and, unless it accepts everybody, this user's with its key."""

    ca: Path
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True)
class EngineChoice:
    """The setting that selects an engine, such as `DOCKER_HOST`, empty for the default engine; and the context."""

    source: str
    context: str = ""


def choose(host: str | None = None, environ: Mapping[str, str] = os.environ) -> EngineChoice:
    """Return which setting selects an engine; `host` is `docker.host`. Nothing is looked up."""
    if host:
        return EngineChoice("docker.host")
    if environ.get("DOCKER_HOST"):
        return EngineChoice("DOCKER_HOST")
    if name := environ.get("DOCKER_CONTEXT"):
        return EngineChoice("" if name == DEFAULT_CONTEXT else f"DOCKER_CONTEXT={name}", name)
    name = _current_context(_config_dir(environ))
    return EngineChoice("" if name == DEFAULT_CONTEXT else f"the docker context {name}", name)


def address(environ: Mapping[str, str] = os.environ) -> str:
    """Return the engine's address, such as unix:///var/run/docker.sock. Raise EngineUnavailable for a missing context.

    The SDK does not read contexts as `docker` does: it falls back to the default engine.
    """
    if environ.get("DOCKER_HOST"):
        return environ["DOCKER_HOST"]
    name = choose(None, environ).context
    return DEFAULT_ADDRESS if name == DEFAULT_CONTEXT else _context_host(_config_dir(environ), name)


def named_by(has_address: Callable[[str], bool], environ: Mapping[str, str] = os.environ) -> str:
    """Return the name of a docker context whose engine has an address that is asked for; empty if none has."""
    config_dir = _config_dir(environ)
    for meta_file in sorted((config_dir / "contexts" / "meta").glob("*/meta.json")):
        with contextlib.suppress(OSError, ValueError, RecursionError, EngineUnavailable):
            name = str(_read_object(meta_file).get("Name") or "")
            if name and has_address(_context_host(config_dir, name)):
                return name
    return ""


def tls_files(host: str | None = None, environ: Mapping[str, str] = os.environ) -> TlsFiles | None:
    """Return the certificates for a TCP address: the context's, if a context selects the engine; None without TLS.

    Without a context they are those of DOCKER_CERT_PATH, by default of `~/.docker`, if DOCKER_TLS_VERIFY or
    DOCKER_CERT_PATH is set. Raises EngineUnavailable for a context that does not verify the engine.
    """
    choice = choose(host, environ)
    if choice.context:
        return _context_tls(_config_dir(environ), choice.context)
    if not (environ.get("DOCKER_TLS_VERIFY") or environ.get("DOCKER_CERT_PATH")):
        return None
    return _tls_files(Path(environ.get("DOCKER_CERT_PATH") or _config_dir(environ)))


def _context_tls(config_dir: Path, name: str) -> TlsFiles | None:
    digest = hashlib.sha256(name.encode()).hexdigest()
    if _context_endpoint(config_dir, name).get("SkipTLSVerify"):
        raise EngineUnavailable(
            f"the docker context {name!r} does not verify its engine (SkipTLSVerify)",
            hint=f"docker context update {name} --docker host=...,ca=ca.pem,cert=cert.pem,key=key.pem",
        )
    directory = config_dir / "contexts" / "tls" / digest / "docker"
    return _tls_files(directory) if directory.is_dir() else None


def _tls_files(directory: Path) -> TlsFiles:
    pair = directory / "cert.pem", directory / "key.pem"
    certificate, key = pair if any(each.exists() for each in pair) else (None, None)
    return TlsFiles(directory / "ca.pem", certificate, key)


def socket_problem(address: str | None = None) -> str:
    """Return why the socket of the default Docker Engine cannot be opened; empty if it can. Asks no engine."""
    socket = (address or DEFAULT_ADDRESS).removeprefix(UNIX_SCHEME)
    if not os.path.exists(socket):  # noqa: PTH110 - a socket that may not be looked at is none
        installed = shutil.which("dockerd") or shutil.which("docker")
        return f"Docker is installed and not running: no {socket}" if installed else "Docker is not installed"
    if not os.access(socket, os.R_OK | os.W_OK):
        return f"Docker cannot be used: this user may not open {socket}"
    return ""


def _config_dir(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("DOCKER_CONFIG") or Path("~/.docker").expanduser())


def _current_context(config_dir: Path) -> str:
    try:
        return str(_read_object(config_dir / "config.json").get("currentContext") or DEFAULT_CONTEXT)
    except (OSError, ValueError, RecursionError):
        return DEFAULT_CONTEXT


def _context_host(config_dir: Path, name: str) -> str:
    return str(_context_endpoint(config_dir, name)["Host"] or DEFAULT_ADDRESS)


def _context_endpoint(config_dir: Path, name: str) -> dict[str, Any]:
    meta_file = config_dir / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
    try:
        endpoint = dict(_read_object(meta_file)["Endpoints"]["docker"])
        return {**endpoint, "Host": endpoint["Host"]}
    except FileNotFoundError as error:
        raise EngineUnavailable(
            f"there is no docker context {name!r}", hint="docker context ls lists them; DOCKER_CONTEXT chooses one"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineUnavailable(
            f"the docker context {name!r} cannot be read: {error!r}", hint=f"docker context inspect {name}"
        ) from error


def _read_object(file: Path) -> dict[str, Any]:
    document = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(document, dict):
        raise ValueError(f"{file} holds no object")
    return document
