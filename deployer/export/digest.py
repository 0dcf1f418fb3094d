"""Compute digests of exports from the source's bytes, the options and the examples."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from deployer.errors import GoldenError, SourceNotFound
from deployer.export.base import ExportRequest
from deployer.export.golden.example_files import READERS, image_files
from deployer.system.files import sha256

HASHED_SEPARATELY = frozenset({"inputs", "signature", "examples", "trust"})
HASHED_LAST = frozenset({"custom_objects", "weights"})
"""Options added later are hashed last: another order would make new versions of unchanged models."""


def file_digest(path: Path) -> str:
    """Return the sha256 of a file. Raises SourceNotFound if it cannot be read."""
    try:
        return sha256(path)
    except OSError as error:
        raise SourceNotFound(f"{path} cannot be read: {error.strerror}") from error


def tree_digest(root: Path, files: Iterable[Path]) -> str:
    """Return the sha256 of relative names and contents of files, independent of their order."""
    hashed = hashlib.sha256()
    for path in sorted(files, key=os.fsencode):
        hashed.update(os.fsencode(path.relative_to(root)) + b"\0" + file_digest(path).encode() + b"\n")
    return hashed.hexdigest()


def request_digest(kind: str, source_digest: str, request: ExportRequest) -> str:
    """Return the sha256 of the source's digest and all options that shape the export, which `trust` does not."""
    return hashlib.sha256("\n".join([kind, source_digest, *_options(request)]).encode()).hexdigest()


def options_digest(request: ExportRequest) -> str:
    """Return the sha256 of the options alone."""
    return hashlib.sha256("\n".join(_options(request)).encode()).hexdigest()


def _options(request: ExportRequest) -> list[str]:
    inputs = [f"{spec.name}:{spec}" for spec in request.specs]
    options = sorted(request.changed().items(), key=lambda option: option[0] in HASHED_LAST)
    others = [f"{name}={value!r}" for name, value in options if name not in HASHED_SEPARATELY]
    return [request.signature or "", *inputs, *others, _examples_digest(request.examples)]


def _examples_digest(examples: Path | None) -> str:
    if examples is None:
        return ""
    if examples.is_dir():
        return tree_digest(examples, image_files(examples))
    if not examples.is_file():
        raise GoldenError(f"there is no examples file {examples}", hint=f"--examples FILE: {', '.join(READERS)}")
    return file_digest(examples)
