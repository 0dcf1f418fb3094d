"""Credentials for a registry, from the `config.json` of the docker command line and its credential helpers.

A public image needs no credentials. So a problem in the file never stops a command: it is reported when a registry asks
for credentials.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

HELPER_SECONDS = 20
DOCKER_HUB = "https://index.docker.io/v1/"
"""Docker Hub's name in `config.json` and for credential helpers."""

TOKEN_USER = "<token>"  # noqa: S105 - the user name by which a helper says that its secret is a token
NOT_FOUND = "credentials not found"
"""Part of the answer of a helper that has no credentials for a registry."""


@dataclass(frozen=True)
class Credentials:
    """The `auth` for a registry, empty without credentials; `problem` says why some could not be read."""

    auth: Mapping[str, str] = field(default_factory=dict, repr=False)
    problem: str = ""
    remedy: str = ""


def config_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the path of the docker command line's `config.json`."""
    return Path(environ.get("DOCKER_CONFIG") or Path("~/.docker").expanduser()) / "config.json"


def sanitized_config(raw: object) -> dict[str, object]:
    """Return the settings of a `config.json` that have the types which the Docker SDK expects; it fails at others."""
    config = raw if isinstance(raw, Mapping) else {}
    proxies = config.get("proxies")
    sanitized: dict[str, object] = {"auths": {}}
    if _is_string_mapping(headers := config.get("HttpHeaders")):
        sanitized["HttpHeaders"] = headers
    if isinstance(proxies, Mapping):
        sanitized["proxies"] = {host: proxy for host, proxy in proxies.items() if _is_string_mapping(proxy)}
    return sanitized


def config_problems(file: Path | None = None) -> Iterator[tuple[str, str]]:
    """Yield what is ignored of the file, and how to correct it."""
    file = file or config_file()
    raw, problem = _read(file)
    if problem:
        yield problem, f"correct {file}"
    for key in ("auths", "credHelpers", "proxies", "HttpHeaders"):
        if not isinstance(raw.get(key, {}), Mapping):
            yield f"{key} in {file} is not an object, and is ignored", f"correct {file}"
    if not isinstance(raw.get("credsStore", ""), str):
        yield f"credsStore in {file} is not a string, and is ignored", f"correct {file}"
    for helper in {raw.get("credsStore"), *_mapping(raw.get("credHelpers")).values()}:
        if isinstance(helper, str) and helper and shutil.which(program := f"docker-credential-{helper}") is None:
            yield f"{program}, which {file} names, is not on PATH", f"install {program}, or take it out of {file}"


def for_registry(registry: str, file: Path | None = None) -> Credentials:
    """Return the credentials for a registry: `host[:port]`, or DOCKER_HUB."""
    file = file or config_file()
    raw, problem = _read(file)
    if problem:
        return Credentials(problem=problem, remedy=f"correct {file}, then {_login_command(registry)}")
    helpers, entries = (_mapping(raw.get(key)) for key in ("credHelpers", "auths"))
    key = "credHelpers" if registry in helpers else "credsStore"
    helper = helpers.get(registry) if registry in helpers else raw.get("credsStore")
    if isinstance(helper, str) and helper:
        return _from_helper(helper, registry, f"{key} in {file}")
    return _from_file(entries, registry, file)


def _read(file: Path) -> tuple[dict[str, object], str]:
    """Return the settings, or none and the problem."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, ""
    except OSError as error:
        return {}, f"{file} cannot be read: {error.strerror}"
    except (ValueError, RecursionError):
        return {}, f"{file} is not JSON, and is ignored"
    return (document, "") if isinstance(document, dict) else ({}, f"{file} holds no JSON object, and is ignored")


def _from_helper(helper: str, registry: str, origin: str) -> Credentials:
    """Return a helper's answer; secrets appear in no message."""
    program = f"docker-credential-{helper}"
    try:
        return Credentials(_helper_auth(program, registry))
    except _HelperError as error:
        verb = "install" if isinstance(error.__cause__, FileNotFoundError) else "repair"
        remedy = f"{verb} {program}, or take it out of {origin}; then {_login_command(registry)}"
        return Credentials(problem=f"{program}, which {origin} names, {error}", remedy=remedy)


class _HelperError(Exception):
    """A helper that gave no usable answer."""


def _helper_auth(program: str, registry: str) -> dict[str, str]:
    """Return the credentials, empty if the helper has none. Raise _HelperError."""
    try:
        code, out, err = _run_helper(program, registry)
    except FileNotFoundError as error:
        raise _HelperError("is not on PATH") from error
    except subprocess.TimeoutExpired as error:
        raise _HelperError(f"did not answer within {HELPER_SECONDS} s") from error
    except (OSError, ValueError) as error:
        raise _HelperError(f"cannot be run: {error}") from error
    reply = (out or err).strip()
    if code and reply.startswith(NOT_FOUND):
        return {}
    if code:
        raise _HelperError(f"failed: {reply.splitlines()[0][:200] if reply else f'exit code {code}'}")
    try:
        answer = json.loads(out)
        return _auth(registry, str(answer["Username"]), str(answer["Secret"]))
    except (ValueError, RecursionError, TypeError, LookupError) as error:
        raise _HelperError("answered without JSON of a Username and a Secret") from error


def _run_helper(program: str, registry: str) -> tuple[int, str, str]:
    """Return the exit code and output; at the deadline, kill the helper and its children."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [program, "get"], stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as child:
        try:
            out, err = child.communicate(registry, HELPER_SECONDS)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            raise
        return child.returncode, out, err


def _auth(registry: str, user: str, secret: str) -> dict[str, str]:
    if user == TOKEN_USER:
        return {"identitytoken": secret, "serveraddress": registry}
    return {"username": user, "password": secret, "serveraddress": registry}


def _from_file(entries: Mapping[str, object], registry: str, file: Path) -> Credentials:
    """Return the credentials that `docker login` wrote into the file."""
    name = next(
        (
            entry_name
            for entry_name in (registry, *entries)
            if entry_name in entries and _host(entry_name) == _host(registry)
        ),
        None,
    )
    if name is None:
        return Credentials()
    entry = _mapping(entries[name])
    if token := entry.get("identitytoken") or entry.get("registrytoken"):
        kind = "identitytoken" if entry.get("identitytoken") else "registrytoken"
        return Credentials({kind: str(token), "serveraddress": registry})
    if not entry.get("auth") and isinstance(user := entry.get("username"), str):
        return Credentials(_auth(registry, user, str(entry.get("password", ""))))
    if not entry and isinstance(entries[name], Mapping):
        return Credentials()
    encoded = entry.get("auth")
    try:
        decoded = base64.b64decode(encoded if isinstance(encoded, str) else "", validate=True).decode()
    except ValueError:
        decoded = ""
    user, colon, secret = decoded.partition(":")
    if not colon:
        problem = f"auths.{name} in {file} holds no user and password"
        return Credentials(problem=problem, remedy=f"{_login_command(registry)} writes it again")
    return Credentials(_auth(registry, user, secret.rstrip("\0")))


def _host(name: str) -> str:
    return name.removeprefix("https://").removeprefix("http://").partition("/")[0]


def _login_command(registry: str) -> str:
    return "docker login" if registry == DOCKER_HUB else f"docker login {registry}"


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _is_string_mapping(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(each, str) for each in value.values())
