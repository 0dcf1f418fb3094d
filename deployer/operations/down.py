"""`down`: stops a deployment and removes all that was made for it; the store stays."""

from __future__ import annotations

from deployer import plan as planning
from deployer.errors import NothingDeployed
from deployer.operations.workspace import Progress, Settings, Workspace, open_workspace, silent
from deployer.report import DownResult


def down(name: str | None = None, *, settings: Settings | None = None, progress: Progress = silent) -> DownResult:
    """Requests in flight finish first. Raises NothingDeployed, LockHeld."""
    workspace = open_workspace(settings or Settings())
    return _down(workspace, workspace.deployed(name).name, workspace.spec.env, progress)


def down_all(*, settings: Settings | None = None, progress: Progress = silent) -> tuple[DownResult, ...]:
    """Every deployment of the engine, in all environments. Raises NothingDeployed when there is none."""
    workspace = open_workspace(settings or Settings())
    there = workspace.engine.observe_all()
    if not there:
        raise NothingDeployed("nothing is deployed")
    return tuple(_down(workspace, found.name, found.env, progress) for found in there)


def _down(workspace: Workspace, name: str, env: str, progress: Progress) -> DownResult:
    with workspace.engine.lock(name, env, workspace.settings.lock_wait):
        observed = workspace.engine.observe(name, env)
        if observed is None:
            raise NothingDeployed(f"nothing is deployed as {name} [{env}]")
        progress(f"stopping {name} [{env}]")
        workspace.engine.remove(name, env)
    return DownResult(name, env, workspace.engine.name, planning.remove(observed))
