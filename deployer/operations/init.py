"""`init`: writes the annotated `deployer.toml`, the document that is also its own help."""

from __future__ import annotations

from pathlib import Path

from deployer import render
from deployer.errors import UsageError
from deployer.files import write_atomically
from deployer.model import check_name
from deployer.spec.project import project_of


def init(folder: Path = Path(), *, name: str = "my_model", force: bool = False) -> Path:
    """Write `folder/deployer.toml`. Raises UsageError when it is there already, unless `force`."""
    path = folder / "deployer.toml"
    if path.exists() and not force:
        raise UsageError(f"{path} is there already", hint="--force overwrites it")
    write_atomically(path, render.text("deployer.toml", name=check_name(name), project=project_of(folder)))
    return path
