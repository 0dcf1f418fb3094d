"""Pushing an image: its progress, its deadline, what is tried again, and the remedy when a registry refuses."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import docker.errors
from docker import DockerClient

from deployer.engines.docker import credentials
from deployer.engines.docker.api import docker_errors
from deployer.engines.docker.credentials import DOCKER_HUB, Credentials
from deployer.engines.docker.image_pull import AUTH_ERROR, HUB_HOSTS, UNTRUSTED, Event, api_timeout, registry
from deployer.errors import EngineError
from deployer.results.checks import Finding
from deployer.results.progress import Meter, Note, Phase, Progress
from deployer.system.wait import Deadline, items_until

ATTEMPTS = 4
CHECK = "registry"
PAUSE_SECONDS = 1.0
"""The pause before the second attempt; each pause is twice the one before."""

TEMPORARY = re.compile(
    r"refused|timeout|timed out|reset|EOF|unreachable|broken pipe|too many requests|\b(429|50[0-4])\b", re.IGNORECASE
)
"""Failures that may be over a moment later. The engine itself tries to send a layer several times."""

UNREACHABLE = r"x509|certificate|tls:|refused|no such host|timeout|timed out|exceeded|unreachable|EOF|reset"
REMEDIES = (
    (r"unauthorized|denied|no basic auth|authentication", "docker login {registry}, and check that you may push there"),
    (r"HTTP response to HTTPS client", "name {registry} under insecure-registries in the engine's daemon.json"),
    (r"x509|certificate|tls:", UNTRUSTED),
    (r"no space left|quota", "free space in the registry"),
    (
        r"refused|no such host|timeout|timed out|exceeded|unreachable|EOF|reset",
        "the engine's machine does not reach {registry}: check the name, and whether the registry runs",
    ),
)


def push(client: DockerClient, name: str, seconds: float, progress: Progress) -> str:
    """Push REPOSITORY:TAG with the user's credentials, and return its digest.

    Raises EngineError if it fails or takes more than `seconds`.
    """
    place = registry(name)
    progress(Phase(f"pushing {name}"))
    login = _login(name)
    if login.problem:
        progress(Note(f"{login.problem}: pushing {name} without credentials"))
    deadline = Deadline.after(seconds)
    try:
        return _attempts(client, name, login, deadline, progress)
    except TimeoutError as error:
        raise EngineError(
            f"pushing {name} to {place} took more than {seconds:g} s", hint="raise docker.pull_seconds"
        ) from error


def is_in_registry(client: DockerClient, reference: str) -> bool:
    """Return whether the registry of REPOSITORY@DIGEST has it, as far as the user's credentials show."""
    return not _look_up(client, reference)


def registry_finding(client: DockerClient, repository: str) -> Finding:
    """Check whether an engine reaches the registry of a repository, and whether that takes the user's credentials.

    A registry may refuse to look up a repository that does not exist yet: that is a warning.
    """
    login = _login(repository)
    reason = _look_up(client, f"{repository}:latest")
    if "HTTP response to HTTPS client" in reason or re.search(UNREACHABLE, reason):
        text = f"the registry of {repository} does not answer: {reason[:300]}"
        return Finding(CHECK, "error", text, "check its name under image.repository, and whether it runs")
    if not AUTH_ERROR.search(reason):
        return Finding(CHECK, "ok", f"the registry of {repository} answers")
    text = f"the registry of {repository} refuses to look it up: {reason[:300]}"
    if login.problem:
        return Finding(CHECK, "warning", f"{text}; {login.problem}", login.remedy)
    remedy = f"docker login {registry(repository)}, unless the repository is new"
    return Finding(CHECK, "warning", text, remedy)


def _login(reference: str) -> Credentials:
    """Return the user's credentials for the registry of an image."""
    place = registry(reference)
    return credentials.for_registry(DOCKER_HUB if place in HUB_HOSTS else place)


def _look_up(client: DockerClient, reference: str) -> str:
    """Return why a registry does not show an image; empty if it does."""
    login = _login(reference)
    with docker_errors(f"looking for {reference}"):
        try:
            client.api.inspect_distribution(reference, auth_config=dict(login.auth))
        except docker.errors.APIError as error:
            return str(error.explanation or error).strip()
    return ""


def _attempts(client: DockerClient, name: str, login: Credentials, deadline: Deadline, progress: Progress) -> str:
    pause = PAUSE_SECONDS
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _push(client, name, login, deadline, progress)
        except _PushFailed as failure:
            reason = str(failure)
            if attempt == ATTEMPTS or not TEMPORARY.search(reason) or deadline.remaining <= pause:
                raise _push_error(name, reason, login) from failure
            progress(Note(f"pushing {name} failed ({reason[:200]}): trying again in {pause:g} s"))
        time.sleep(pause)
        pause *= 2
    raise AssertionError("the last attempt returns or raises")


def _push(client: DockerClient, name: str, login: Credentials, deadline: Deadline, progress: Progress) -> str:
    repository, _, tag = name.rpartition(":")

    def start() -> Iterable[Mapping[str, Any]]:
        answers: Iterable[Mapping[str, Any]] = client.api.push(
            repository, tag=tag, stream=True, decode=True, auth_config=dict(login.auth)
        )
        return answers

    with docker_errors(f"pushing {name}"), api_timeout(client.api, deadline.remaining + 1):
        try:
            return _read(items_until(deadline, start), name, progress)
        except docker.errors.APIError as error:
            raise _PushFailed(str(error.explanation or error).strip()) from error


class _PushFailed(Exception):
    """An error that the engine reported during the push."""


def _read(answers: Iterator[Mapping[str, Any]], name: str, progress: Progress) -> str:
    """Report the progress, and return the digest that ends the push. Raises _PushFailed."""
    layers: dict[str, tuple[int, int]] = {}
    digest, meter = "", Meter(f"pushing {name}", progress)
    for answer in answers:
        event = Event.parse(answer)
        if event.error is not None:
            raise _PushFailed(event.error)
        digest = str((answer.get("aux") or {}).get("Digest") or digest)
        meter.reach(event.percent(layers, "Pushing", "Pushed"))
    if not digest:
        raise _PushFailed("the engine reports no digest")
    return digest


def _push_error(name: str, reason: str, login: Credentials) -> EngineError:
    place = registry(name)
    if login.problem and AUTH_ERROR.search(reason):
        text = f"pushing {name} to {place} without credentials failed: {reason[:300]}; {login.problem}"
        return EngineError(text, hint=login.remedy)
    remedies = (remedy for pattern, remedy in REMEDIES if re.search(pattern, reason))
    remedy = next(remedies, "see docker info, or push it by hand")
    return EngineError(f"pushing {name} to {place} failed: {reason[:500]}", hint=remedy.format(registry=place))
