"""Hints where nothing is deployed: the command that shows what is deployed, and the one that deploys."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterator
from pathlib import Path

from deployer.config.spec import Spec
from deployer.results.deployment import DEFAULT_ENV, Deployment
from deployer.savedmodel.layout import VERSION, is_saved_model

MODEL_FILES = frozenset({".keras", ".h5", ".hdf5"})


def deploy_hint(
    spec: Spec, deployed: tuple[Deployment, ...], name: str | None = None, project: str = "", store: str = ""
) -> str:
    """Return the hint for a missing deployment `name`, or for an engine without any.

    `project` and `store` are options of the command, for the commands in the hint.
    """
    env = "" if spec.env == DEFAULT_ENV else f" --env {spec.env}"
    options = f"{env}{f' --project {project}' if project else ''}{store}"
    return "; ".join(
        filter(None, (_status_hint(spec, deployed, name, project), _up_hint(spec, deployed, name, options)))
    )


def _status_hint(spec: Spec, deployed: tuple[Deployment, ...], name: str | None, project: str) -> str:
    if not deployed:
        return ""
    in_other_env = any(found.env != spec.env for found in deployed)
    command = f"deployer status{' --all' if in_other_env else ''}{f' --project {project}' if project else ''}"
    listed = ", ".join(f"{found.name} [{found.env}]" for found in deployed)
    near = difflib.get_close_matches(name or "", sorted({found.name for found in deployed}), n=1)
    meant = f"did you mean {near[0]}? " if near and near[0] != name else ""
    return f"{meant}{command} shows what is deployed: {listed}"


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
    for folder in sorted(models_dir.iterdir()) if models_dir.is_dir() else ():
        if folder.is_dir() and any(VERSION.fullmatch(child.name) for child in folder.iterdir()):
            yield folder.name


def deploy_command(folder: Path, name: str) -> str:
    """Return the command that deploys the model of a new `deployer.toml`: from the store, or from a file."""
    if name in _stored(folder / "models"):
        return "deployer up"
    found = sorted(filter(_is_source, folder.iterdir()), key=lambda place: -place.stat().st_mtime)
    source = shlex.quote(found[0].name) if found else "SOURCE"
    return f"deployer up {source} --name {name}"


def newest_source(folder: Path, name: str) -> str:
    """Return the newest file or SavedModel of a directory that has the name of a model; empty without one."""
    found = [place for place in folder.glob(f"{name}*") if place.stem == name and _is_source(place)]
    return max(found, key=lambda place: place.stat().st_mtime).name if found else ""


def _is_source(place: Path) -> bool:
    return place.is_file() if place.suffix.lower() in MODEL_FILES else is_saved_model(place)
