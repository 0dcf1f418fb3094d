"""Embedded servers by their run folders: what is there, whether it runs, how it goes away."""

from __future__ import annotations

from pathlib import Path

from deployer.engines import process, run_dir
from deployer.engines.base import SERVING
from deployer.engines.run_dir import Release
from deployer.errors import EngineError
from deployer.results.deployment import Deployment

DRAIN_SECONDS = 30.0
STOP_SECONDS = DRAIN_SECONDS + 5.0


def read_deployment(directory: Path) -> Deployment | None:
    """The server of a folder, or None where a command died before it put the labels on."""
    release = run_dir.read_labels(directory)
    return None if release is None else _deployment(directory.resolve(), release)


def require_deployment(directory: Path) -> Deployment:
    """The same. Raises EngineError where there are no labels."""
    return _deployment(directory.resolve(), require_labels(directory))


def require_labels(directory: Path) -> Release:
    """The labels. Raises EngineError where there are none."""
    release = run_dir.read_labels(directory)
    if release is None:
        raise EngineError(f"the run folder {directory} lost its {run_dir.RELEASE_FILE}", hint="run the command again")
    return release


def _deployment(directory: Path, release: Release) -> Deployment:
    is_running = process.find(directory, release.pid) is not None
    return release.deployment(directory, serving=release.role == SERVING, running=is_running)


def discard(directory: Path) -> None:
    """Stop the server, once it has drained, and remove the folder; no error when they are gone."""
    directory = directory.resolve()
    release = run_dir.read_labels(directory)
    server = process.find(directory, release.pid if release else None)
    if server is not None:
        process.stop(server, STOP_SECONDS)
    run_dir.delete(directory)
