"""The Docker SDK: one connection, and its failures in the tool's words."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deployer.errors import EngineError, EngineUnavailable, PortTaken, SettingRefused
from deployer.wait import Deadline

API_SECONDS = 30
PORT_TAKEN = re.compile(r"port is already allocated|address already in use|failed to bind host port")
PORT = re.compile(r"(?:\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]*\]):(\d+)")
PROGRESS_STEP = 5
SOCKET = Path("/var/run/docker.sock")


def connect() -> Any:
    """A client of the engine that DOCKER_HOST or the current `docker context` names, else of the local one.

    Raises EngineUnavailable with what is wrong: not running, no permission, not installed. The engine must see this
    machine's folders: one behind TCP or SSH is refused.
    """
    import docker

    with docker_errors("the Docker Engine"):
        client = docker.from_env(timeout=API_SECONDS)
        client.ping()
    _refuse_remote(str(client.api.base_url))
    return client


def _refuse_remote(base_url: str) -> None:
    if not base_url.startswith(("http+docker://localhost", "http+unix://", "http+docker://localunixsocket")):
        raise SettingRefused(
            f"the Docker Engine at {base_url} is on another machine, which does not see this machine's models",
            hint="unset DOCKER_HOST or `docker context use default`; remote engines come in a later release",
        )


def answers() -> bool:
    """Whether a Docker Engine is there to be used; quick where there is none, for `auto`."""
    if not (_is_named() or os.access(SOCKET, os.R_OK | os.W_OK)):
        return False
    try:
        connect().close()
    except EngineError:
        return False
    return True


def _is_named() -> bool:
    """Whether an engine is named other than by its usual socket."""
    config = Path(os.environ.get("DOCKER_CONFIG", "~/.docker")).expanduser() / "config.json"
    return bool(os.environ.get("DOCKER_HOST") or os.environ.get("DOCKER_CONTEXT")) or config.is_file()


@contextmanager
def docker_errors(what: str) -> Iterator[None]:
    """Whatever the SDK raises, as an EngineError that names what was being done."""
    import docker.errors
    import requests

    try:
        yield
    except docker.errors.ImageNotFound as error:
        raise EngineError(f"{what}: {_reason(error)}", hint="check docker.image, or pull it by hand") from error
    except docker.errors.NotFound as error:
        raise EngineError(f"{what}: {_reason(error)}", hint="run the command again") from error
    except docker.errors.APIError as error:
        raise _api_failure(what, error) from error
    except (requests.ConnectionError, requests.Timeout, docker.errors.DockerException) as error:
        raise _unreachable(what, error) from error


def _api_failure(what: str, error: Any) -> EngineError:
    reason = _reason(error)
    if PORT_TAKEN.search(reason):
        port = PORT.search(reason)
        return PortTaken(
            f"{what}: port {port[1] if port else ''} is taken", hint="choose another, or 0 for any free one"
        )
    return EngineError(f"{what}: {reason}", hint="docker info and docker ps -a tell more")


def _reason(error: Any) -> str:
    return str(getattr(error, "explanation", None) or error).strip()[:500]


def _unreachable(what: str, error: Exception) -> EngineUnavailable:
    text = str(error)
    if "Permission denied" in text:
        return EngineUnavailable(
            f"{what} cannot be used: this user may not open its socket",
            hint="join the docker group, or use --engine embedded",
        )
    if "timed out" in text.lower():
        return EngineUnavailable(
            f"{what} did not answer within {API_SECONDS} s", hint="docker info tells whether it hangs"
        )
    return EngineUnavailable(
        f"{what} cannot be reached: {text[:200]}", hint="start the Docker Engine, or use --engine embedded"
    )


def pull(client: Any, image: str, platform: str | None, seconds: float, progress: Callable[[str], None]) -> None:
    """Pull an image, saying how far it is. Raises EngineError when it does not exist or takes too long."""
    deadline = Deadline.after(seconds)
    progress(f"pulling {image}")
    repository, tag = _split(image)
    with docker_errors(f"pulling {image}"):
        layers: dict[str, tuple[int, int]] = {}
        said = 0
        for event in client.api.pull(repository, tag=tag, stream=True, decode=True, platform=platform):
            if "error" in event:
                raise EngineError(f"pulling {image} failed: {event['error']}", hint="check docker.image")
            if deadline.passed:
                raise EngineError(f"pulling {image} took more than {seconds:g} s", hint="raise docker.pull_seconds")
            percent = _percent(event, layers)
            if percent >= said + PROGRESS_STEP:
                said = percent
                progress(f"pulling {image}: {percent} %")


def _percent(event: dict[str, Any], layers: dict[str, tuple[int, int]]) -> int:
    detail = event.get("progressDetail") or {}
    if detail.get("total"):
        layers[event.get("id", "")] = (int(detail.get("current", 0)), int(detail["total"]))
    total = sum(size for _, size in layers.values())
    return int(100 * sum(done for done, _ in layers.values()) / total) if total else 0


def _split(image: str) -> tuple[str, str | None]:
    """Repository and tag; a digest stays with its repository."""
    if "@" in image:
        return image, None
    head, colon, tag = image.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (image, "latest")
