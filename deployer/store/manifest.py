"""The manifest of a version: file digests, signatures, source and golden set, written when the version is made.

A version that another tool put into the store has no manifest; its properties are read from its files.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path

from deployer.errors import BrokenModel
from deployer.results.model import GoldenSummary, Model, SavedModelInfo, Source
from deployer.savedmodel import lfs_pointers, reader
from deployer.savedmodel.layout import EXTRA, MANIFEST_FILE, WARMUP_FILE
from deployer.store.hashes import Hashes
from deployer.system import documents

FOREIGN = "foreign"
"""The source kind of a version that another tool put into the store."""


def recorded_digests(version: Path) -> dict[str, str]:
    """Return the SHA-256 digests that the manifest records, by POSIX path; empty without a readable manifest."""
    try:
        found = json.loads((version / MANIFEST_FILE).read_text(encoding="utf-8"))["files"]
        return {str(name): str(digest) for name, digest in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def hash_files(directory: Path) -> dict[str, str]:
    """Compute the SHA-256 digest of every file in a directory, by POSIX path. Raises OSError."""
    hashes = Hashes(directory)
    try:
        return hashes.all()
    finally:
        hashes.close()


def compute_digest(version: Path) -> str:
    """Compute a version's digest from its files, ignoring the manifest. Raises BrokenModel."""
    try:
        return content_digest(hash_files(version))
    except OSError as error:
        raise BrokenModel(f"the files of {version} cannot be read: {error.strerror or error}") from error


def content_digest(files: Mapping[str, str]) -> str:
    """Return one digest over what a server reads: the SavedModel's files and the warm-up requests."""
    read = (name for name in sorted(files) if not name.startswith(f"{EXTRA}/") or name == WARMUP_FILE.as_posix())
    lines = (f"{name}={files[name]}\n" for name in read)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def write(directory: Path, model: Model, files: Mapping[str, str]) -> None:
    """Write the manifest of a new version; `files` are its file digests. Raises OSError."""
    manifest = directory / MANIFEST_FILE
    manifest.parent.mkdir(exist_ok=True)
    manifest.write_text(json.dumps({"format": 1, "files": files, **_document(model)}, indent=1) + "\n")


def _document(model: Model) -> dict[str, object]:
    document = dataclasses.asdict(model)
    del document["path"]
    return document


def read(name: str, version: int, path: Path) -> Model:
    """Return a version from its manifest, or from its files if it has none.

    Raises BrokenModel.
    """
    lfs_pointers.check((path / MANIFEST_FILE,))
    try:
        raw = json.loads((path / MANIFEST_FILE).read_text(encoding="utf-8"))
        return Model(
            name=name,
            version=version,
            path=path,
            digest=documents.read(str, raw["digest"]),
            info=documents.read(SavedModelInfo, raw["info"]),
            source=documents.read(Source, raw["source"]),
            golden=documents.read(GoldenSummary, raw["golden"]),
            created=documents.read(str, raw["created"]),
            notes=documents.read(tuple[str, ...], raw.get("notes", [])),
        )
    except FileNotFoundError:
        return _foreign(name, version, path)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BrokenModel(f"the manifest {path / MANIFEST_FILE} cannot be read: {error!r:.300}") from error


def _foreign(name: str, version: int, path: Path) -> Model:
    info = reader.read(path)
    digest = compute_digest(path)
    source = Source(FOREIGN, str(path), None)
    return Model(name, version, path, digest, info, source, GoldenSummary(0, "none"), utc(path.stat().st_mtime))


def utc(seconds: float) -> str:
    """Return a time in seconds since the epoch as `2026-01-31T23:59:59Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
