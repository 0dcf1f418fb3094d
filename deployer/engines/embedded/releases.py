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


def observe(folder: Path) -> Deployment | None:
    """The server of a folder, or None where a command died before it put the labels on."""
    release = run_dir.read(folder)
    return None if release is None else _deployment(folder.resolve(), release)


def observed(folder: Path) -> Deployment:
    """The same. Raises EngineError where there are no labels."""
    return _deployment(folder.resolve(), known(folder))


def known(folder: Path) -> Release:
    """The labels. Raises EngineError where there are none."""
    release = run_dir.read(folder)
    if release is None:
        raise EngineError(f"the run folder {folder} lost its {run_dir.RELEASE_FILE}", hint="run the command again")
    return release


def _deployment(folder: Path, release: Release) -> Deployment:
    running = process.find(folder, release.pid) is not None
    return release.deployment(folder, serving=release.role == SERVING, running=running)


def discard(folder: Path) -> None:
    """Stop the server, once it has drained, and remove the folder; no error when they are gone."""
    folder = folder.resolve()
    release = run_dir.read(folder)
    child = process.find(folder, release.pid if release else None)
    if child is not None:
        process.stop(child, STOP_SECONDS)
    run_dir.delete(folder)
