"""`init`: write an annotated `deployer.toml`."""

from __future__ import annotations

from pathlib import Path

from deployer.config import loader
from deployer.config.loader import CONFIG_FILE
from deployer.config.project import default_project
from deployer.config.templates import render_template
from deployer.errors import UsageError
from deployer.results.model import check_name
from deployer.system.files import write_atomically


def init(directory: Path = Path(), *, name: str = "my_model", force: bool = False) -> Path:
    """Write `deployer.toml` into a directory. Raises UsageError if it exists, unless `force` is set.

    Raises ConfigError for an existing file with errors, and for `DEPLOYER_*` variables with errors.
    """
    path = directory / CONFIG_FILE
    is_checked = path.is_file() and not force
    loader.check(path if is_checked else None)
    if path.exists() and not force:
        raise UsageError(f"{path} exists already", hint="--force overwrites it")
    write_atomically(path, render_template("deployer.toml", name=check_name(name), project=default_project(directory)))
    return path
