"""Whether the Docker Engine sees this machine's directories.

An engine may see another directory under a path, or none: as a snap, as a service with its own /tmp, or on another
machine behind a forwarded socket. The archive call looks into a container without running anything in it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from docker import DockerClient
from docker.models.containers import Container
from docker.types import Mount

from deployer.engines.docker.api import API_SECONDS, docker_errors, invisible_directory
from deployer.errors import EngineError
from deployer.results.checks import Finding

ABSENT = 404


def check(container: Container, directories: Iterable[tuple[str, Path, str]]) -> None:
    """Raise EngineError if a path of a mounted directory is missing in the container.

    `directories` are (mount point, directory, path below it).
    """
    for mount, directory, path in directories:
        with docker_errors(f"looking into {container.name}"):
            if not _path_exists(container, f"{mount}/{path}"):
                raise invisible_directory(directory)


def is_confined(container: Container) -> bool:
    """Return whether SELinux confines a container: the engine gives it a label then."""
    return bool(container.attrs.get("MountLabel"))


def findings(client: DockerClient, image: str, directories: Sequence[Path]) -> Iterator[Finding]:
    """Yield an error for each of these directories that exists and that the engine does not see."""
    for directory in directories:
        if not directory.is_dir():
            continue
        try:
            _probe(client, image, directory.resolve())
        except EngineError as error:
            yield Finding("shared directories", "error", error.message, error.hint or "")


def _probe(client: DockerClient, image: str, directory: Path) -> None:
    """Check a directory with a container that is never started. Raise EngineError."""
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
    """Create a file in the directory for the block and return its name, or that of an existing file, or None."""
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


def _path_exists(container: Container, path: str) -> bool:
    """Return whether a container has a path; also if the engine does not say."""
    api = container.client.api
    answer = api.head(
        api._url("/containers/{0}/archive", container.id),
        params={"path": path},
        timeout=API_SECONDS,
    )
    return bool(answer.status_code != ABSENT)
