"""Pulling an image: its progress, its deadline, and the remedy when a registry refuses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import docker.errors
from docker import APIClient, DockerClient

from deployer.engines.docker import credentials
from deployer.engines.docker.api import FULL_HINT, NO_SPACE
from deployer.engines.docker.credentials import DOCKER_HUB, Credentials
from deployer.errors import EngineError
from deployer.results.progress import DONE, Meter, Note, Phase, Progress
from deployer.system.packages import missing_packages
from deployer.system.wait import Deadline, items_until

UNTRUSTED = (
    "the engine does not trust the certificate of {registry}: /etc/docker/certs.d/{registry}/ca.crt is where it looks "
    "for its authority"
)
AUTH_ERROR = re.compile(r"unauthorized|denied|no basic auth|authentication", re.IGNORECASE)
"""A registry's messages that ask for credentials, or for other ones."""

SERVER_SETTING = "docker.image"
GATEWAY_SETTING = "gateway.image"
HUB_HOSTS = ("Docker Hub", "docker.io", "index.docker.io")
REMEDIES = (
    (r"manifest unknown|name unknown|not found|does not exist", "there is no such image or tag: check {setting}"),
    (r"unauthorized|denied|no basic auth", "docker login {registry}, and check {setting}"),
    (
        r"no matching manifest",
        "it is for other processors: set docker.platform, or choose another {setting}{embedded}",
    ),
    (NO_SPACE, FULL_HINT),
    (r"x509|certificate", UNTRUSTED),
    (r"HTTP response to HTTPS client", "name {registry} under insecure-registries in the engine's daemon.json"),
    (
        r"refused|no such host|timeout|exceeded|unreachable|EOF|reset",
        "the engine's machine does not reach {registry}: check its name in {setting}{embedded}",
    ),
)


def pull(  # noqa: PLR0913, PLR0917
    client: DockerClient,
    image: str,
    platform: str | None,
    seconds: float,
    progress: Progress,
    setting: str = SERVER_SETTING,
) -> None:
    """Pull an image and report the progress. Raise EngineError if it fails or takes more than `seconds`.

    `setting` is the key of deployer.toml that names the image.
    """
    progress(Phase(f"pulling {image}"))
    login = credentials.for_registry(DOCKER_HUB if registry(image) in HUB_HOSTS else registry(image))
    if login.problem:
        progress(Note(f"{login.problem}: pulling {image} without credentials"))
    try:
        with api_timeout(client.api, seconds):
            _report_progress(_events(client, image, platform, login, seconds), image, progress)
    except docker.errors.APIError as error:
        raise _pull_error(image, str(error.explanation or error).strip(), login, setting) from error
    except _PullFailed as error:
        raise _pull_error(image, str(error), login, setting) from error
    except TimeoutError as error:
        raise EngineError(
            f"pulling {image} from {registry(image)} took more than {seconds:g} s",
            hint="raise docker.pull_seconds, or pull it by hand",
        ) from error


@contextmanager
def api_timeout(api: APIClient, seconds: float) -> Iterator[None]:
    """Let the engine be silent for as long as a pull may take: while it waits for a registry, or unpacks."""
    previous, api.timeout = api.timeout, seconds
    try:
        yield
    finally:
        api.timeout = previous


class _PullFailed(Exception):
    """An error that the engine reported during the pull."""


@dataclass(frozen=True)
class Event:
    """A step of a pull or push; `current` of `total` bytes of the layer are transferred."""

    layer: str
    status: str
    current: int
    total: int
    error: str | None

    @classmethod
    def parse(cls, answer: Mapping[str, Any]) -> Event:
        """Return the event from a line of the engine's answer."""
        detail = answer.get("progressDetail") or {}
        return cls(
            layer=str(answer.get("id", "")),
            status=str(answer.get("status", "")),
            current=int(detail.get("current") or 0),
            total=int(detail.get("total") or 0),
            error=str(answer["error"]) if "error" in answer else None,
        )

    def percent(self, layers: dict[str, tuple[int, int]], under_way: str, done: str) -> int:
        """Add the event to the layers, and return the transferred percentage of those that are known so far.

        `under_way` and `done` are the words for the status of a layer.
        """
        if self.status == under_way and self.total:
            layers[self.layer] = (self.current, self.total)
        elif self.status == done and self.layer in layers:
            layers[self.layer] = (layers[self.layer][1], layers[self.layer][1])
        total = sum(size for _, size in layers.values())
        return min(100, int(100 * sum(current for current, _ in layers.values()) / total)) if total else 0


def _events(
    client: DockerClient, image: str, platform: str | None, login: Credentials, seconds: float
) -> Iterator[Event]:
    repository, tag = split_reference(image)

    def start() -> Iterable[Mapping[str, Any]]:
        answers: Iterable[Mapping[str, Any]] = client.api.pull(
            repository, tag=tag, stream=True, decode=True, platform=platform, auth_config=dict(login.auth)
        )
        return answers

    return map(Event.parse, items_until(Deadline.after(seconds), start))


def _report_progress(events: Iterator[Event], image: str, progress: Progress) -> None:
    meter = Meter(f"pulling {image}", progress)
    layers: dict[str, tuple[int, int]] = {}
    for event in events:
        if event.error is not None:
            raise _PullFailed(event.error)
        meter.reach(event.percent(layers, "Downloading", "Download complete"))
    meter.reach(DONE)  # the engine reports no progress for small or mostly present images


def _pull_error(image: str, reason: str, login: Credentials, setting: str) -> EngineError:
    if login.problem and AUTH_ERROR.search(reason):
        text = f"pulling {image} from {registry(image)} without credentials failed: {reason[:300]}; {login.problem}"
        return EngineError(text, hint=login.remedy)
    remedies = (remedy for pattern, remedy in REMEDIES if re.search(pattern, reason))
    remedy = next(remedies, "check {setting}, or pull it by hand")
    can_embed = setting == SERVER_SETTING and not missing_packages()
    embedded = "; --engine embedded needs no image" if can_embed else ""
    hint = remedy.format(registry=registry(image), setting=setting, embedded=embedded)
    return EngineError(f"pulling {image} from {registry(image)} failed: {reason[:500]}", hint=hint)


def registry(image: str) -> str:
    """Return the registry of an image: the first part of its name, if that can be a host."""
    host, slash, _ = image.partition("/")
    return host if slash and (host == "localhost" or "." in host or ":" in host) else "Docker Hub"


def split_reference(image: str) -> tuple[str, str | None]:
    """Return repository and tag; a digest stays with its repository."""
    if "@" in image:
        return image, None
    head, colon, tag = image.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (image, "latest")


def familiar_name(image: str) -> str:
    """Return the name as an engine lists it: with a tag, and without the default registry."""
    repository, tag = split_reference(image)
    familiar = repository.removeprefix("docker.io/").removeprefix("library/")
    return f"{familiar}:{tag}" if tag else familiar
