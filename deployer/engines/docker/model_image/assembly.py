"""An image with models inside: its configuration, its id, and the archive that `docker load` reads."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from deployer.engines.docker.model_image.base_image import BaseImage
from deployer.engines.docker.model_image.layers import END, Layer

HISTORY = "deployer image build"


@dataclass(frozen=True)
class ModelImage:
    """Layers on a base image, and the configuration of containers that run it.

    `config` has the keys that differ from the base image's; `labels` are added to its labels.
    """

    base: BaseImage
    layers: tuple[Layer, ...]
    config: Mapping[str, object]
    labels: Mapping[str, str]

    @cached_property
    def document(self) -> bytes:
        """The image's configuration as JSON. Reads every file. Raises BrokenModel."""
        base = self.base
        document: dict[str, object] = {
            **base.platform,
            "created": base.created,
            "config": {**dict(base.config), **dict(self.config), "Labels": {**base.labels, **self.labels}},
            "rootfs": {"type": "layers", "diff_ids": [*base.layers, *(layer.diff_id for layer in self.layers)]},
            "history": [
                *({"created": base.created, "created_by": "the base image"} for _ in base.layers),
                *({"created": base.created, "created_by": f"{HISTORY}: {each.created_by}"} for each in self.layers),
            ],
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()

    @cached_property
    def id(self) -> str:
        """The image's id: the digest of its configuration, and so of everything in it."""
        return f"sha256:{hashlib.sha256(self.document).hexdigest()}"

    @property
    def size(self) -> int:
        """The bytes that the layers add to the base image."""
        return sum(layer.size for layer in self.layers)

    def entries(self, base_layers: tuple[str, ...] | None = None) -> Iterator[bytes]:
        """Yield the members of the archive, without its end.

        `base_layers` are the paths of the base image's layers in the same archive. Without them, the archive has none,
        and an engine takes those that it has.
        """
        if base_layers is None:
            base_layers = tuple(f"base/{number}" for number in range(len(self.base.layers)))
        paths = [f"{layer.diff_id.partition(':')[2]}.tar" for layer in self.layers]
        for path, layer in zip(paths, self.layers, strict=True):
            yield _header(path, layer.size)
            yield from layer.blocks(compare=False)  # the engine compares it with the digest in the configuration
            yield b"\0" * (-layer.size % tarfile.BLOCKSIZE)
        config = f"{self.id.partition(':')[2]}.json"
        yield _member(config, self.document)
        manifest = [{"Config": config, "RepoTags": None, "Layers": [*base_layers, *paths]}]
        yield _member("manifest.json", json.dumps(manifest).encode())

    def archive(self) -> Iterator[bytes]:
        """Yield the archive for an engine that has the base image. Raises BrokenModel for a file that has changed."""
        yield from self.entries()
        yield END


def _member(path: str, content: bytes) -> bytes:
    return _header(path, len(content)) + content + b"\0" * (-len(content) % tarfile.BLOCKSIZE)


def _header(path: str, size: int) -> bytes:
    entry = tarfile.TarInfo(path)
    entry.size = size
    return file_header(entry)


def file_header(entry: tarfile.TarInfo) -> bytes:
    """Return the header of a member of the archive."""
    return entry.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
