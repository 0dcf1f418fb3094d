"""A store made once for a run of the tests, by real exports, and copied for each test."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from pathlib import Path

import pytest

import deployer
from deployer.savedmodel.layout import MANIFEST_FILE
from deployer.store.manifest import content_digest, hash_files
from support.world import MODELS


def shared_store(directories: pytest.TempPathFactory) -> Path:
    """The store of `make_store`, made by the first of the test processes that asks for it. No test changes it."""
    base = directories.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    directory = root / "exported"
    with (root / "exported.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "complete").exists():
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
            make_store(directory)
            (directory / "complete").touch()
    return directory / "models"


def make_store(root: Path) -> Path:
    """half_plus_two in three versions (y = x/2 + 2, x/2 + 3, x), `text` and `several`."""
    settings = deployer.Settings(models_dir=root / "models", state_dir=root / ".deployer")
    for source, name in (
        *((MODELS / "half_plus_two" / version, "half_plus_two") for version in ("1", "2", "3")),
        (MODELS / "text" / "1", "text"),
        (MODELS / "several" / "1", "several"),
    ):
        deployer.export_model(str(source), options=deployer.ExportOptions(name=name), settings=settings)
    return root / "models"


def copy_store(store: Path, directory: Path) -> Path:
    """A project directory with a store of its own."""
    shutil.copytree(store, directory / "models")
    return directory


def record_files(version: Path) -> None:
    """Record the files of a version as those of its export: it was exported wrong, and is not damaged."""
    manifest = version / MANIFEST_FILE
    document = json.loads(manifest.read_text())
    found = hash_files(version)
    document["files"] = {name: found[name] for name in document["files"] if name in found}
    document["digest"] = content_digest(document["files"])
    manifest.write_text(json.dumps(document))
