"""Copies the models out of an image. An image may hold anything: only files and directories come out of it."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import docker.errors
from docker import DockerClient

from deployer.engines.docker.api import docker_errors
from deployer.engines.docker.image_pull import api_timeout
from deployer.engines.docker.leftovers import remove_old
from deployer.engines.docker.model_image.stream import ChunkReader
from deployer.engines.docker.names import LABEL, MODELS_MOUNT
from deployer.errors import EngineError
from deployer.system.files import os_error_hint
from deployer.system.wait import Deadline, items_until

COPY_LABEL = f"{LABEL}copy"
"""The label of a container that is never started; its value is when it was made, in seconds since the epoch."""
ROOT = PurePosixPath(MODELS_MOUNT).name
_HINT = "deployer image build makes such an image"


@dataclass(frozen=True)
class Extraction:
    """Copies models out of one image, within `seconds` and at most `limit` bytes."""

    client: DockerClient
    image: str
    seconds: float
    limit: int

    def run(self, versions: Collection[str], target: Path) -> None:
        """Copy NAME/VERSION for each of the versions into a directory.

        Raises EngineError, also for anything but files and directories.
        """
        action = f"copying the models out of {self.image}"
        with docker_errors(action), api_timeout(self.client.api, self.seconds), self._container() as container:
            try:
                chunks = items_until(Deadline.after(self.seconds), lambda: self._archive(container))
                self._unpack(chunks, frozenset(versions), target)
            except docker.errors.NotFound as error:
                raise EngineError(f"{self.image} has no directory {MODELS_MOUNT}", hint=_HINT) from error
            except TimeoutError as error:
                raise EngineError(
                    f"{action} took more than {self.seconds:g} s", hint="raise docker.pull_seconds"
                ) from error
            except tarfile.TarError as error:
                raise EngineError(f"the models of {self.image} cannot be read: {error}", hint=_HINT) from error
            except OSError as error:
                reason = error.strerror or error
                raise EngineError(f"{target} cannot be written: {reason}", hint=os_error_hint(error)) from error

    def _archive(self, container: str) -> Iterator[bytes]:
        chunks: Iterator[bytes] = self.client.api.get_archive(container, MODELS_MOUNT)[0]
        return chunks

    @contextmanager
    def _container(self) -> Iterator[str]:
        """Create a container of the image, which is never started, and remove it."""
        remove_old(self.client, 2 * self.seconds, {"label": COPY_LABEL})  # of killed commands
        labels, api = {COPY_LABEL: "true"}, self.client.api
        created = api.create_container(self.image, command=["never started"], labels=labels, network_disabled=True)
        try:
            yield str(created["Id"])
        finally:
            api.remove_container(created["Id"], force=True, v=True)

    def _unpack(self, chunks: Iterator[bytes], versions: frozenset[str], target: Path) -> None:
        """Write the files of the versions. Raises EngineError, OSError, TarError."""
        written = 0
        with tarfile.open(fileobj=ChunkReader(chunks), mode="r|") as archive:  # type: ignore[call-overload]
            for member in archive:
                path = self._below_root(member)
                if "/".join(path.parts[:2]) not in versions:
                    continue
                place = target / path
                if member.isdir():
                    place.mkdir(parents=True, exist_ok=True)
                    continue
                written += member.size
                source = archive.extractfile(member) if member.isreg() else None
                if source is None or written > self.limit:
                    reason = "is no file" if source is None else f"makes it larger than it says, {self.limit} bytes"
                    raise EngineError(f"{MODELS_MOUNT}/{path} of {self.image} {reason}", hint=_HINT)
                place.parent.mkdir(parents=True, exist_ok=True)
                with place.open("xb") as file:
                    shutil.copyfileobj(source, file)

    def _below_root(self, member: tarfile.TarInfo) -> PurePosixPath:
        """Return the path of a member below the models directory. Raises EngineError for one that leads out of it."""
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or path.parts[:1] != (ROOT,):
            raise EngineError(f"{member.name[:200]!r} in {self.image} leads out of {MODELS_MOUNT}", hint=_HINT)
        return path.relative_to(ROOT)
