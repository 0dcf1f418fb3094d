"""Refuses versions whose files are not those of their export: what was verified then says nothing about them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from deployer.engines.run_dir import IMAGES_DIR
from deployer.errors import BrokenModel
from deployer.results.model import Model
from deployer.rollout.workspace import Workspace
from deployer.store.integrity import find_damage


def refuse_damaged(workspace: Workspace, models: Iterable[Model], *, every_file: bool = False) -> None:
    """Refuse a version with a file that is not what was exported. Raises BrokenModel.

    Without `every_file`, large files that do not look modified are not compared, which would take time.
    """
    for model in models:
        if damaged := find_damage(model.path, every_file=every_file):
            raise BrokenModel(f"{model.name}:{model.version} is damaged: {damaged}", hint=_remedy(workspace, model))


def _remedy(workspace: Workspace, model: Model) -> str:
    copies = (workspace.spec.state_dir / IMAGES_DIR).resolve()
    store = model.path.parents[1].resolve()
    if copies in store.parents:
        return f"it is a copy out of an image: rm -r {shlex.quote(str(store))} lets the next command make another"
    source = f"SOURCE --name {model.name}{workspace.up_options}"
    return (
        f"put its files back; or deployer up {source} --force makes a new version "
        f"(it was exported from {model.source.location})"
    )
