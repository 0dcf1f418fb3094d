"""Loads an image into a Docker Engine, as `docker load` does: with the base image's layers only where it must."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from docker import DockerClient

from deployer.engines.docker.api import FULL_HINT, NO_SPACE, docker_errors
from deployer.engines.docker.image_pull import api_timeout
from deployer.engines.docker.model_image.assembly import ModelImage, file_header
from deployer.engines.docker.model_image.layers import END
from deployer.engines.docker.model_image.stream import ChunkReader
from deployer.errors import EngineError
from deployer.results.progress import Meter, Progress
from deployer.system.wait import Deadline, items_until

LOADED = re.compile(r"Loaded image(?: ID)?: (\S+)")
CONTAINERD = "io.containerd.snapshotter.v1"
"""The driver type of an engine that keeps images in containerd. It loads no archive without all of its layers."""
INDEXES = ("index.json", "manifest.json", "oci-layout", "repositories")
"""The members of a saved image that describe it: an archive on top of it has its own."""


@dataclass(frozen=True)
class Loader:
    """Loads one image into the engine of `client`, within `seconds`; `base` is the name of its base image."""

    client: DockerClient
    image: ModelImage
    base: str
    seconds: float
    progress: Progress

    def load(self) -> str:
        """Load the image without a name, and return its id on the engine. Raises EngineError, BrokenModel."""
        with docker_errors("loading the image"), api_timeout(self.client.api, self.seconds):
            try:
                return self._id_of(items_until(Deadline.after(self.seconds), self._send))
            except TimeoutError as error:
                raise EngineError(
                    f"loading the image took more than {self.seconds:g} s", hint="raise docker.pull_seconds"
                ) from error

    def _send(self) -> Iterable[Mapping[str, Any]]:
        archive = self._whole_archive() if self._needs_all_layers() else self.image.archive()
        answers: Iterable[Mapping[str, Any]] = self.client.api.load_image(self._reported(archive))
        return answers

    def _needs_all_layers(self) -> bool:
        status = self.client.info().get("DriverStatus") or ()
        return any(CONTAINERD in map(str, entry) for entry in status)

    def _reported(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the blocks, and report how much of the layers was sent."""
        meter = Meter("loading the image into the engine", self.progress, self.image.size)
        for block in blocks:
            yield block
            meter.add(len(block))

    def _whole_archive(self) -> Iterator[bytes]:
        """Yield the archive with the base image's layers, as the engine saves them."""
        manifest: list[bytes] = []
        yield from _saved_members(self.client.api.get_image(self.base), manifest)
        layers = tuple(map(str, json.loads(manifest[-1])[0]["Layers"]))
        yield from self.image.entries(layers)
        yield END

    @staticmethod
    def _id_of(answers: Iterable[Mapping[str, Any]]) -> str:
        """Return the id that the engine reports for the image. Raises EngineError for the failure that it reports."""
        loaded = ""
        for answer in answers:
            if "error" in answer:
                reason = str(answer["error"])[:500]
                hint = FULL_HINT if NO_SPACE in reason else "see docker info"
                raise EngineError(f"the engine cannot load the image: {reason}", hint=hint)
            if match := LOADED.search(str(answer.get("stream", ""))):
                loaded = match[1]
        if not loaded:
            raise EngineError("the engine does not say which image it has loaded", hint="see docker images")
        return loaded


def _saved_members(chunks: Iterable[bytes], manifest: list[bytes]) -> Iterator[bytes]:
    """Yield the members of a saved image but those that describe it; its manifest is appended to the list."""
    with tarfile.open(fileobj=ChunkReader(iter(chunks)), mode="r|") as saved:  # type: ignore[call-overload]
        for member in saved:
            if member.name == "manifest.json":
                manifest.append(_content(saved.extractfile(member)))
            if member.name in INDEXES:
                continue
            yield file_header(member)
            if member.isreg():
                source = saved.extractfile(member)
                while source is not None and (chunk := source.read(1 << 20)):
                    yield chunk
                yield b"\0" * (-member.size % tarfile.BLOCKSIZE)


def _content(file: IO[bytes] | None) -> bytes:
    return file.read() if file is not None else b""
