"""The Docker SDK: one connection, and its failures in the tool's words."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from deployer.engines.docker import context as docker_context
from deployer.engines.docker import credentials
from deployer.errors import EngineError, EngineUnavailable, PortTaken

API_SECONDS = 30
CONFLICT = 409
"""How the engine tells that something is not as the call takes it to be."""
PORT_TAKEN = re.compile(r"port is already allocated|address already in use|failed to bind host port")
PORT = re.compile(r"(?:\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]*\]):(\d+)")
NO_SOURCE = re.compile(r"bind source path does not exist: (.+)|error while creating mount source path '(.+?)'")
"""Of a mount whose source is not there, as the engine sees it."""

LOCAL = "unix://"
START = "start the Docker Engine: systemctl start docker, or open Docker Desktop"
OLDEST_API, OLDEST_ENGINE = "1.30", "17.06"
"""The first that mounts folders by type, so that a missing one is an error."""


def connect(host: str | None = None, seconds: float = API_SECONDS) -> Any:
    """A client of the engine at `host`, else of the one that DOCKER_HOST or the current `docker context` names.

    Raises EngineUnavailable with what is wrong: not running, no permission, not installed, too old, or on another
    machine, because an engine must see this machine's folders. Each call may take so many `seconds`.
    """
    address = host or docker_context.address()
    by = docker_context.chosen(host).by
    what = f"the Docker Engine at {address}{f' ({by})' if by else ''}"
    if not address.startswith(LOCAL):
        raise EngineUnavailable(
            f"{what} is on another machine, which does not see this machine's models",
            hint=f"{_without(by)}; remote engines come later",
        )
    way = f"start it, or {_without(by)}; docker context ls lists others" if by else START
    with docker_errors(what, seconds, way):
        version = _spoken(address, seconds)
        check_version(address, version)
        return _client_class()(base_url=address, version=version, timeout=seconds)


def check_version(address: str, version: str) -> None:
    """Raise EngineUnavailable for an engine that speaks no API which the tool can use."""
    if numbers(version) < numbers(OLDEST_API):
        raise EngineUnavailable(
            f"the Docker Engine at {address} speaks API {version}, and deployer needs {OLDEST_API} or newer",
            hint=f"upgrade Docker to {OLDEST_ENGINE} or newer",
        )


def numbers(version: str) -> tuple[float, ...]:
    """A version of the API, to be compared; what is none, such as `auto`, is newer than any."""
    parts = version.split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else (float("inf"),)


@cache
def _client_class() -> Any:
    """The SDK's client, which reads the user's `config.json` at once, and would fail at what it does not expect."""
    import docker

    class Api(docker.APIClient):  # type: ignore[misc]
        @property
        def _general_configs(self) -> dict[str, Any]:
            return dict(self.__dict__["read"])

        @_general_configs.setter
        def _general_configs(self, found: object) -> None:
            self.__dict__["read"] = credentials.settings(found)

    class Client(docker.DockerClient):  # type: ignore[misc]
        def __init__(self, **arguments: Any) -> None:
            self.api = Api(**arguments)

    return Client


def _spoken(address: str, seconds: float) -> str:
    """The version of the API that an engine speaks, by its quickest answer: for `/version`, which the SDK would ask, it
    starts programs that tell theirs."""
    import requests
    from docker.transport import UnixHTTPAdapter

    with requests.Session() as session:
        session.mount("http+docker://", UnixHTTPAdapter(f"http+{address}", seconds))
        answer = session.get("http+docker://engine/_ping", timeout=seconds)
    return str(answer.headers.get("Api-Version", "auto"))


def _without(by: str) -> str:
    """How to have an engine of this machine instead of the one that was asked for."""
    if by == "docker.host":
        return "take docker.host out"
    if by.startswith("DOCKER_"):
        return f"unset {by.partition('=')[0]}"
    return "docker context use default"


def docker_problem(address: str | None = None) -> str:
    """Why the usual Docker Engine cannot be used, quickly where it is not there; empty where it answers."""
    address = address or docker_context.USUAL
    if closed := no_way_in(address):
        return closed
    try:
        connect(address).close()
    except EngineError as error:
        return f"Docker cannot be used: {error.message}"
    return ""


def no_way_in(address: str | None = None) -> str:
    """Why nobody can ask the usual Docker Engine, by its socket alone; empty where it might answer."""
    socket = (address or docker_context.USUAL).removeprefix(LOCAL)
    if not os.path.exists(socket):  # noqa: PTH110 - a socket that may not be looked at is none
        import shutil

        installed = shutil.which("dockerd") or shutil.which("docker")
        return f"Docker is installed and not running: no {socket}" if installed else "Docker is not installed"
    if not os.access(socket, os.R_OK | os.W_OK):
        return f"Docker cannot be used: this user may not open {socket}"
    return ""


@contextmanager
def docker_errors(what: str, seconds: float = API_SECONDS, way: str = START) -> Iterator[None]:
    """Whatever the SDK raises, as an EngineError that names what was being done; `way` is how an engine is reached."""
    import docker.errors
    import requests
    from urllib3.exceptions import HTTPError

    try:
        yield
    except docker.errors.ImageNotFound as error:
        raise EngineError(f"{what}: {_reason(error)}", hint="check docker.image, or pull it by hand") from error
    except docker.errors.NotFound as error:
        raise EngineError(f"{what}: {_reason(error)}", hint="run the command again") from error
    except docker.errors.APIError as error:
        raise _api_failure(what, error) from error
    except (requests.RequestException, HTTPError) as error:
        raise _unreachable(what, error, seconds, way) from error
    except docker.errors.DockerException as error:
        if isinstance(error.__cause__ or error.__context__, OSError | HTTPError):
            raise _unreachable(what, error, seconds, way) from error
        raise EngineError(f"{what}: {_reason(error)}", hint="docker info and docker version tell more") from error


def _api_failure(what: str, error: Any) -> EngineError:
    reason = _reason(error)
    if PORT_TAKEN.search(reason):
        port = PORT.search(reason)
        return PortTaken(
            f"{what}: port {port[1] if port else ''} is taken",
            port=int(port[1]) if port else None,
            hint="choose another, or 0 for any free one",
        )
    if missing := NO_SOURCE.search(reason):
        return unseen(missing[1] or missing[2])
    return EngineError(f"{what}: {reason}", hint="docker info and docker ps -a tell more")


def unseen(folder: object) -> EngineError:
    """The error for a folder of this machine that is not there, or another one, for the engine."""
    return EngineError(
        f"the Docker Engine does not see {folder} as it is here",
        hint="it may be a snap, have a /tmp of its own, or run on the other side of a shared socket: "
        "put the project where it sees it, or use --engine embedded",
    )


def _reason(error: Any) -> str:
    return str(getattr(error, "explanation", None) or error).strip()[:500]


def _unreachable(what: str, error: Exception, seconds: float, way: str) -> EngineUnavailable:
    text = str(error)
    if "Permission denied" in text:
        return EngineUnavailable(
            f"{what} cannot be used: this user may not open its socket",
            hint="join the docker group: sudo usermod -aG docker $USER, then log in again",
        )
    if "timed out" in text.lower():
        return EngineUnavailable(
            f"{what} did not answer within {seconds:g} s", hint="docker info tells whether it hangs"
        )
    return EngineUnavailable(f"{what} cannot be reached: {_origin(error)[:200]}", hint=way)


def _origin(error: BaseException) -> str:
    """What the system said, below what libraries made of it."""
    while below := error.__cause__ or error.__context__:
        error = below
    return getattr(error, "strerror", None) or str(error)


def remove_container(container: Any) -> None:
    """Wait for its end where a command that was killed has asked for it already: the engine goes on removing."""
    import docker.errors

    try:
        container.remove(force=True)
    except docker.errors.APIError as error:
        if error.status_code != CONFLICT:
            raise
        with contextlib.suppress(docker.errors.NotFound):
            container.wait(condition="removed", timeout=API_SECONDS)


def lines(chunks: Iterator[bytes]) -> Iterator[str]:
    """A log as it comes, in lines."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode("utf-8", "replace") for line in whole)
    if rest:
        yield rest.decode("utf-8", "replace")
