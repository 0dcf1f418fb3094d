"""The copies of images' models below the state directory, for the checks of this tool."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from deployer import engines
from deployer.config.spec import SWARM
from deployer.engines.base import Engine
from deployer.engines.run_dir import IMAGES_DIR
from deployer.errors import EngineError, LockHeld
from deployer.rollout.workspace import Workspace
from deployer.system.locks import directory_lock


def remove_unused(workspace: Workspace) -> None:
    """Remove the copies of images that no deployment of the project has, and that no command uses now.

    A deployment whose update was killed has two: that of the servers that answer, and that of those from before.
    """
    root = workspace.spec.state_dir / IMAGES_DIR
    if not root.is_dir():
        return
    with contextlib.suppress(EngineError):
        used = {store.parent for engine in _engines(workspace) for store in _copies(engine)}
        for directory in root.iterdir():
            if directory.resolve() not in used:
                with contextlib.suppress(LockHeld, OSError), directory_lock(directory, "an image's copy"):
                    shutil.rmtree(directory)
    with contextlib.suppress(OSError):
        root.rmdir()


def _copies(engine: Engine) -> Iterator[Path]:
    """Yield the copies that the deployments of an engine have, now and after a recovery."""
    for observed in engine.inventory.observe_all():
        if observed.in_image:
            foreseen = engine.foresee(observed.name, observed.env)
            yield from (each.store for each in (observed, foreseen) if each and each.store)


def _engines(workspace: Workspace) -> tuple[Engine, ...]:
    """Return the engines that run images of the project."""
    spec = workspace.spec
    swarm = (engines.ENGINES[SWARM](spec),) if spec.engine == SWARM else ()
    return (engines.docker_engine(spec), *swarm)
