"""Stores made once a session, by real exports, and copied for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import deployer
from support.world import MODELS


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
