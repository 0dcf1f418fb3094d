"""The files of a version as they leave the store: those of its export, and nothing that depends on when or where."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from deployer.errors import BrokenModel
from deployer.results.model import Model
from deployer.savedmodel.layout import MANIFEST_FILE
from deployer.store.manifest import recorded_digests

UNDATED = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class StoredFile:
    """A file of a version by its POSIX path: its bytes, or the file with its size and, if it is known, its SHA-256."""

    path: str
    content: bytes | Path
    size: int
    sha256: str = ""


def files_of(model: Model) -> tuple[StoredFile, ...]:
    """Return the files of a version, ordered by path: the recorded ones, or all of a version of another tool.

    Raises BrokenModel for a file that is missing, or that a link leads out of the version.
    """
    recorded = recorded_digests(model.path)
    names = recorded or dict.fromkeys(_found(model.path), "")
    files = [_file(model, name, digest) for name, digest in names.items()]
    if recorded:
        text = portable_manifest(model.path)
        files.append(StoredFile(MANIFEST_FILE.as_posix(), text, len(text)))
    return tuple(sorted(files, key=lambda each: each.path))


def portable_manifest(version: Path) -> bytes:
    """Return the manifest of a version without the time and the directory of its export. Raises BrokenModel."""
    try:
        document = json.loads((version / MANIFEST_FILE).read_text(encoding="utf-8"))
        location = str(document["source"]["location"])
        document["source"]["location"] = PurePosixPath(location).name
        document["created"] = UNDATED
        return (json.dumps(document, indent=1) + "\n").encode()
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BrokenModel(f"the manifest {version / MANIFEST_FILE} cannot be read: {error!r:.300}") from error


def _found(version: Path) -> Iterator[str]:
    for directory, _, names in os.walk(version):
        yield from (Path(directory, name).relative_to(version).as_posix() for name in names)


def _file(model: Model, name: str, digest: str) -> StoredFile:
    path = model.path / name
    try:
        if not path.resolve(strict=True).is_relative_to(model.path.resolve()):
            raise BrokenModel(
                f"{path} of {model.name}:{model.version} leads out of the version", hint="copy the file into its place"
            )
        if not path.is_file():
            raise BrokenModel(f"{path} of {model.name}:{model.version} is no file", hint="remove it")
        return StoredFile(name, path, path.stat().st_size, digest)
    except (OSError, ValueError) as error:
        raise BrokenModel(f"{path} of {model.name}:{model.version} cannot be read: {error}") from error
