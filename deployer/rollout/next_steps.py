"""Hints where nothing is deployed: the command that shows what is deployed, and the one that deploys."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterator
from pathlib import Path

from deployer.config.spec import Spec
from deployer.results.deployment import Deployment, cli_name
from deployer.savedmodel.layout import VERSION, is_saved_model

MODEL_FILES = frozenset({".keras", ".h5", ".hdf5"})


def deploy_hint(
    spec: Spec, deployed: tuple[Deployment, ...], name: str | None = None, location: str = "", store: str = ""
) -> str:
    """Return the hint for a missing deployment `name`, or for an engine without any.

    `location` and `store` are options of the command, for the commands in the hint.
    """
    env = cli_name("", spec.env)
    up_hint = _up_hint(spec, deployed, name, f"{env}{location}{store}")
    return "; ".join(filter(None, (_status_hint(spec, deployed, name, env, location), up_hint)))


def _status_hint(spec: Spec, deployed: tuple[Deployment, ...], name: str | None, env: str, location: str) -> str:
    if not deployed:
        return ""
    in_other_env = any(each.env != spec.env for each in deployed)
    command = f"deployer status{' --all' if in_other_env else env}{location}"
    listed = ", ".join(f"{each.name} [{each.env}]" for each in deployed)
    near = difflib.get_close_matches(name or "", sorted({each.name for each in deployed}), n=1)
    suggestion = f"did you mean {near[0]}? " if near and near[0] != name else ""
    return f"{suggestion}{command} shows what is deployed: {listed}"


def _up_hint(spec: Spec, deployed: tuple[Deployment, ...], name: str | None, options: str) -> str:
    stored = list(_stored(spec.models_dir))
    if name in stored:
        return f"deployer up {name}{options} deploys what the store has"
    if not deployed or (name is not None and name == spec.name):
        if spec.models:
            return f"deployer up{options} deploys what deployer.toml lists"
        if stored:
            return f"deployer up {stored[0]}{options} deploys what the store has"
    return "" if deployed else f"deployer up SOURCE{options} deploys a model"


def _stored(models_dir: Path) -> Iterator[str]:
    """Yield the models of a store by its directories, without importing the store."""
    for directory in sorted(models_dir.iterdir()) if models_dir.is_dir() else ():
        if directory.is_dir() and any(VERSION.fullmatch(child.name) for child in directory.iterdir()):
            yield directory.name


def deploy_command(directory: Path, name: str) -> str:
    """Return the command that deploys the model of a new `deployer.toml`.

    Its source is the store, else the file with the model's name, else the only one.
    """
    if name in _stored(directory / "models"):
        return "deployer up"
    sources = [path.name for path in directory.iterdir() if _is_source(path)]
    source = newest_source(directory, name) or (sources[0] if len(sources) == 1 else "")
    return f"deployer up {shlex.quote(source) if source else 'SOURCE'} --name {name}"


def newest_source(directory: Path, name: str) -> str:
    """Return the newest file or SavedModel of a directory that has the name of a model; empty without one."""
    sources = [path for path in directory.glob(f"{name}*") if path.stem == name and _is_source(path)]
    return max(sources, key=lambda path: path.stat().st_mtime).name if sources else ""


def _is_source(path: Path) -> bool:
    return path.is_file() if path.suffix.lower() in MODEL_FILES else is_saved_model(path)
