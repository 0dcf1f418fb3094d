"""Embedded servers by their run directories: read, require and discard them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from deployer.engines import process, run_dir
from deployer.engines.base import SERVING
from deployer.engines.run_dir import Release
from deployer.errors import EngineError
from deployer.results.deployment import Deployment

DRAIN_SECONDS = 30.0
STOP_SECONDS = DRAIN_SECONDS + 5.0


def read_deployment(directory: Path) -> Deployment | None:
    """Return the server of a run directory; None if a command was killed before it wrote the labels."""
    release = run_dir.read_labels(directory)
    return None if release is None else _deployment(directory.resolve(), release)


def require_deployment(directory: Path) -> Deployment:
    """Return the server of a run directory. Raise EngineError if it has no labels."""
    return _deployment(directory.resolve(), require_labels(directory))


def require_labels(directory: Path) -> Release:
    """Return the labels of a run directory. Raise EngineError if it has none."""
    release = run_dir.read_labels(directory)
    if release is None:
        raise EngineError(
            f"the run directory {directory} lost its {run_dir.RELEASE_FILE}", hint="run the command again"
        )
    return release


def _deployment(directory: Path, release: Release) -> Deployment:
    server = process.find(directory, release.pid)
    found = release.deployment(directory, serving=release.role == SERVING, running=server is not None)
    return dataclasses.replace(found, paused=True) if server is not None and process.is_paused(server) else found


def discard(directory: Path) -> None:
    """Stop the server once it has drained, and delete its run directory; no error if either is gone."""
    directory = directory.resolve()
    release = run_dir.read_labels(directory)
    server = process.find(directory, release.pid if release else None)
    if server is not None:
        process.stop(server, STOP_SECONDS)
    run_dir.delete(directory)
