"""The copies of images' models below the state directory, for the checks of this tool."""

from __future__ import annotations

import contextlib
import shutil

from deployer import engines
from deployer.config.spec import SWARM
from deployer.engines.base import Engine
from deployer.engines.run_dir import IMAGES_DIR
from deployer.errors import EngineError, LockHeld
from deployer.rollout.workspace import Workspace
from deployer.system.locks import directory_lock


def remove_unused(workspace: Workspace) -> None:
    """Remove the copies of images that no deployment of the project has, and that no command uses now."""
    root = workspace.spec.state_dir / IMAGES_DIR
    if not root.is_dir():
        return
    with contextlib.suppress(EngineError):
        observed = tuple(each for engine in _engines(workspace) for each in engine.inventory.observe_all())
        used = {each.store.parent for each in observed if each.in_image and each.store}
        for directory in root.iterdir():
            if directory.resolve() not in used:
                with contextlib.suppress(LockHeld, OSError), directory_lock(directory, "an image's copy"):
                    shutil.rmtree(directory)
    with contextlib.suppress(OSError):
        root.rmdir()


def _engines(workspace: Workspace) -> tuple[Engine, ...]:
    """Return the engines that run images of the project."""
    spec = workspace.spec
    swarm = (engines.ENGINES[SWARM](spec),) if spec.engine == SWARM else ()
    return (engines.docker_engine(spec), *swarm)
