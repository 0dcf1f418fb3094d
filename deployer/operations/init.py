"""`init`: writes the annotated `deployer.toml`, the document that is also its own help."""

from __future__ import annotations

from pathlib import Path

from deployer.config import loader, render
from deployer.config.loader import CONFIG_FILE
from deployer.config.project import project_of
from deployer.errors import UsageError
from deployer.results.model import check_name
from deployer.system.files import write_atomically


def init(folder: Path = Path(), *, name: str = "my_model", force: bool = False) -> Path:
    """Write `folder/deployer.toml`. Raises UsageError when it is there already, unless `force`.

    Raises ConfigError for a file that is there and wrong, and for `DEPLOYER_*` variables that are: they win over it.
    """
    path = folder / CONFIG_FILE
    there = path.is_file() and not force
    loader.check(path if there else None)
    if path.exists() and not force:
        raise UsageError(f"{path} is there already", hint="--force overwrites it")
    write_atomically(path, render.text("deployer.toml", name=check_name(name), project=project_of(folder)))
    return path
