"""The connection to a Docker Engine, and its failures as errors of this tool."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import docker.errors
import requests
from docker import APIClient, DockerClient
from docker.models.containers import Container
from docker.transport import UnixHTTPAdapter
from urllib3.exceptions import HTTPError

from deployer.config.engine_address import TCP, parse_address
from deployer.engines.docker import context as docker_context
from deployer.engines.docker import credentials
from deployer.engines.docker.remote import tls_errors
from deployer.engines.docker.remote.ssh import lost_connection
from deployer.engines.docker.remote.transport import Transport, check_files
from deployer.errors import EngineError, EngineUnavailable, InvalidValue, PortTaken
from deployer.results.logs import LogLine

API_SECONDS = 30
CONFLICT = 409
"""The status code of a call that does not fit the state of its container."""
PORT_TAKEN = re.compile(r"port is already allocated|address already in use|failed to bind host port")
PORT = re.compile(r"(?:\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]*\]):(\d+)")
MISSING_SOURCE = re.compile(r"bind source path does not exist: (.+)|error while creating mount source path '(.+?)'")
"""The messages about a bind mount whose source the engine does not see."""

NO_ADDRESSES = re.compile(r"non-overlapping IPv4 address pool|no available subnets|no more available addresses")
"""The messages of an engine, or of a Swarm, whose address pools are used up."""

NO_SPACE = "no space left on device"
FULL_HINT = "docker system df shows what takes space there, and docker image prune removes images without a name"
TIMESTAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ")
"""The time that the engine writes before each message of a log."""

START_HINT = "start the Docker Engine: systemctl start docker, or open Docker Desktop"
OLDEST_API, OLDEST_ENGINE = "1.30", "17.06"
"""The first version with typed bind mounts, which make a missing source an error."""


def connect(host: str | None = None, seconds: float = API_SECONDS) -> DockerClient:
    """Return a client of the engine at `host`, or of the one that DOCKER_HOST or the docker context selects.

    Each call may take `seconds`. Raises EngineUnavailable, with the cause, if the engine does not run, is too old, or
    may not be used, and if the connection to another machine fails.
    """
    source = docker_context.choose(host).source
    with _selected_by(source):
        transport = transport_to(host, seconds)
        address = transport.address.text
        action = f"the Docker Engine at {address}{f' ({source})' if source else ''}"
        hint = f"start it, or {_switch_hint(source)}; docker context ls lists others" if source else START_HINT
        with docker_errors(action, seconds, hint):
            version = _ping_api_version(transport, seconds)
            check_version(address, version)
            return _Client(transport, version, seconds)


@contextmanager
def _selected_by(source: str) -> Iterator[None]:
    """Add the setting that selected the engine to the error of its connection, and how to use another one."""
    try:
        yield
    except EngineUnavailable as error:
        if not source or source in f"{error.message} {error.hint}":
            raise
        hint = "; or ".join(filter(None, (error.hint, f"{_switch_hint(source)} to use the engine of this machine")))
        raise EngineUnavailable(f"{error.message} ({source})", hint=hint) from error


def transport_to(host: str | None = None, seconds: float = API_SECONDS) -> Transport:
    """Return how this process reaches the engine at `host`, or the selected one; nothing is connected.

    A connection may take `seconds` to open.

    Raises EngineUnavailable for an address that cannot be used.
    """
    text = host or docker_context.address()
    try:
        address = parse_address(text)
    except InvalidValue as error:
        raise EngineUnavailable(error.message, hint=error.hint) from error
    tls = docker_context.tls_files(host) if address.scheme == TCP else None
    if address.scheme == TCP:
        check_files(address, tls)
    return Transport(address, tls, min(seconds, API_SECONDS))


def check_version(address: str, version: str) -> None:
    """Raise EngineUnavailable for an API that is too old for this tool."""
    if parse_api_version(version) < parse_api_version(OLDEST_API):
        raise EngineUnavailable(
            f"the Docker Engine at {address} speaks API {version}, and deployer needs {OLDEST_API} or newer",
            hint=f"upgrade Docker to {OLDEST_ENGINE} or newer",
        )


def parse_api_version(version: str) -> tuple[float, ...]:
    """Return a version of the API as numbers; one that is none, such as `auto`, is newer than any."""
    parts = version.split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else (float("inf"),)


class _Api(APIClient):  # type: ignore[misc]
    """The SDK's API client. It reads the user's `config.json` at once, and fails at values that it does not expect."""

    @property
    def _general_configs(self) -> dict[str, object]:
        return dict(self.__dict__["read"])

    @_general_configs.setter
    def _general_configs(self, raw: object) -> None:
        self.__dict__["read"] = credentials.sanitized_config(raw)


class _Client(DockerClient):  # type: ignore[misc]
    def __init__(self, transport: Transport, version: str, seconds: float) -> None:
        self.api = _Api(base_url=transport.base_url, version=version, timeout=seconds, tls=transport.sdk_tls or False)
        self.api.trust_env = False  # a proxy of the environment is for the web


def _ping_api_version(transport: Transport, seconds: float) -> str:
    """Return the API version of an engine from its quickest answer."""
    # The SDK would ask `/version`, for which the engine starts programs.
    address, engine = transport.base_url, "http+docker://engine"
    with requests.Session() as session:
        session.trust_env = False
        if address.startswith(docker_context.UNIX_SCHEME):
            session.mount("http+docker://", UnixHTTPAdapter(f"http+{address}", seconds))
        else:
            engine = address
            session.verify, session.cert = transport.verification
        answer = session.get(f"{engine}/_ping", timeout=seconds)
    return str(answer.headers.get("Api-Version", "auto"))


def _switch_hint(source: str) -> str:
    """Return how to use an engine of this machine instead of the selected one."""
    if source == "docker.host":
        return "take docker.host out"
    if source.startswith("DOCKER_"):
        return f"unset {source.partition('=')[0]}"
    return "docker context use default"


def docker_problem(address: str | None = None) -> str:
    """Return why the default Docker Engine cannot be used; empty if it answers."""
    address = address or docker_context.DEFAULT_ADDRESS
    if problem := docker_context.socket_problem(address):
        return problem
    try:
        connect(address).close()
    except EngineError as error:
        return f"Docker cannot be used: {error.message}"
    return ""


@contextmanager
def docker_errors(action: str, seconds: float = API_SECONDS, hint: str = START_HINT) -> Iterator[None]:
    """Raise the SDK's errors as EngineErrors that name the action.

    `hint` is for an engine that cannot be reached.
    """
    try:
        yield
    except docker.errors.ImageNotFound as error:
        raise EngineError(f"{action}: {_explanation(error)}", hint="check docker.image, or pull it by hand") from error
    except docker.errors.APIError as error:
        raise _api_failure(action, error) from error
    except (requests.RequestException, HTTPError) as error:
        raise _unreachable(action, error, seconds, hint) from error
    except docker.errors.DockerException as error:
        if isinstance(error.__cause__ or error.__context__, OSError | HTTPError):
            raise _unreachable(action, error, seconds, hint) from error
        raise EngineError(f"{action}: {_explanation(error)}", hint="see docker info and docker version") from error


def _api_failure(action: str, error: docker.errors.APIError) -> EngineError:
    reason = _explanation(error)
    if PORT_TAKEN.search(reason):
        port = PORT.search(reason)
        return PortTaken(
            f"{action}: port {port[1] if port else ''} is taken",
            port=int(port[1]) if port else None,
            hint="choose another, or 0 for any free one",
        )
    if missing := MISSING_SOURCE.search(reason):
        return invisible_directory(missing[1] or missing[2])
    if NO_ADDRESSES.search(reason):
        return EngineError(
            f"{action}: the engine has no addresses left for a network of its own",
            hint="deployer down, or docker network rm, gives some back; default-address-pools in the engine's "
            "daemon.json, with smaller subnets, has more",
        )
    if NO_SPACE in reason:
        return EngineError(f"{action}: the disk of the Docker Engine is full: {reason}", hint=FULL_HINT)
    if isinstance(error, docker.errors.NotFound):
        return EngineError(f"{action}: {reason}", hint="run the command again")
    return EngineError(f"{action}: {reason}", hint="see docker info and docker ps -a")


def invisible_directory(directory: object) -> EngineError:
    """Return the error for a directory that the engine does not see, or sees with other contents."""
    return EngineError(
        f"the Docker Engine does not see {directory} as it is here",
        hint="it may be a snap, have a /tmp of its own, or run on the other side of a shared socket: "
        "put the project where it sees it, or use --engine embedded",
    )


def _explanation(error: docker.errors.DockerException) -> str:
    return str(getattr(error, "explanation", None) or error).strip()[:500]


def _unreachable(action: str, error: Exception, seconds: float, hint: str) -> EngineUnavailable:
    text = str(error)
    if lost := lost_connection():
        return lost
    if refused := tls_errors.refusal(action, text):
        return refused
    if "Permission denied" in text:
        return EngineUnavailable(
            f"{action} cannot be used: this user may not open its socket",
            hint="join the docker group: sudo usermod -aG docker $USER, then log in again",
        )
    if "timed out" in text.lower():
        return EngineUnavailable(
            f"{action} did not answer within {seconds:g} s", hint="docker info shows whether it hangs"
        )
    return EngineUnavailable(f"{action} cannot be reached: {_root_cause(error)[:200]}", hint=hint)


def _root_cause(error: BaseException) -> str:
    """Return the message of the operating system below the libraries' own."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return getattr(error, "strerror", None) or str(error)


def remove_container(container: Container) -> None:
    """Remove a container; wait for its end if a killed command has asked for the removal already."""
    try:
        container.remove(force=True)
    except docker.errors.APIError as error:
        if error.status_code != CONFLICT:
            raise
        with contextlib.suppress(docker.errors.NotFound):
            container.wait(condition="removed", timeout=API_SECONDS)


def timed_lines(chunks: Iterable[bytes]) -> Iterator[LogLine]:
    """Yield the lines of a log with timestamps. Each chunk begins with one, also where it goes on with a long line."""
    rest, begun = b"", ""
    for chunk in chunks:
        match = TIMESTAMP.match(chunk)
        begun = begun or (match[1].decode() if match else "")
        *complete, rest = (rest + chunk[match.end() if match else 0 :]).split(b"\n")
        for line in complete:
            yield LogLine(line.decode("utf-8", "replace"), begun or None)
        begun = begun if rest else ""
    if rest:
        yield LogLine(rest.decode("utf-8", "replace"), begun or None)


def decode_lines(chunks: Iterator[bytes]) -> Iterator[str]:
    """Yield the lines of a log from its chunks."""
    rest = b""
    for chunk in chunks:
        *complete, rest = (rest + chunk).split(b"\n")
        yield from (line.decode("utf-8", "replace") for line in complete)
    if rest:
        yield rest.decode("utf-8", "replace")
