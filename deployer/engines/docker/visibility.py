"""Whether the Docker Engine sees this machine's folders as they are here.

An engine may run where a path leads to another folder, or to none: as a snap, as a service with a /tmp of its own, or
on another side of a shared socket. The archive call tells what a container sees without running anything in it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from deployer.engines.docker.api import API_SECONDS, docker_errors, invisible_directory
from deployer.errors import EngineError
from deployer.results.checks import Finding

ABSENT = 404


def check(container: Any, directories: Iterable[tuple[str, Path, str]]) -> None:
    """Look for what lies in each folder: where it is mounted, the folder here, and a path in it. Raises EngineError."""
    for mount, directory, path in directories:
        with docker_errors(f"looking into {container.name}"):
            if not _path_exists(container, f"{mount}/{path}"):
                raise invisible_directory(directory)


def is_confined(container: Any) -> bool:
    """Whether SELinux decides what a container may read: the engine gives it a label then."""
    return bool(container.attrs.get("MountLabel"))


def findings(client: Any, image: str, directories: Sequence[Path]) -> Iterator[Finding]:
    """An error for each of these folders that the engine does not see; none is told of one that does not exist."""
    for directory in directories:
        if not directory.is_dir():
            continue
        try:
            _probe(client, image, directory.resolve())
        except EngineError as error:
            yield Finding("shared folders", "error", error.message, error.hint or "")


def _probe(client: Any, image: str, directory: Path) -> None:
    """By a container that is never started. Raises EngineError."""
    from docker.types import Mount

    with ExitStack() as stack, docker_errors(f"looking from a container into {directory}"):
        marker = stack.enter_context(_marker_file(directory))
        if marker is None:
            return
        mount = Mount(target="/probe", source=str(directory), type="bind", read_only=True)
        container = client.containers.create(image, command=["true"], mounts=[mount], network_mode="none")
        stack.callback(container.remove, force=True)
        check(container, [("/probe", directory, marker)])


@contextmanager
def _marker_file(directory: Path) -> Iterator[str | None]:
    """The name of something in the folder: a file that is made for the moment, else what is there, or None."""
    marker = directory / f".deployer-probe-{secrets.token_hex(8)}"
    try:
        marker.touch(mode=0o600, exist_ok=False)
    except OSError:
        yield next((each.name for each in directory.iterdir()), None) if os.access(directory, os.R_OK) else None
        return
    try:
        yield marker.name
    finally:
        with suppress(OSError):
            marker.unlink()


def _path_exists(container: Any, path: str) -> bool:
    """Whether a container has something at a path; so too where the engine does not say."""
    api = container.client.api
    answer = api.head(
        api._url("/containers/{0}/archive", container.id),
        params={"path": path},
        timeout=API_SECONDS,
    )
    return bool(answer.status_code != ABSENT)
