"""`down`: stops a deployment and removes all that was made for it; the store stays."""

from __future__ import annotations

from deployer import plan as planning
from deployer.errors import NothingDeployed
from deployer.operations.workspace import Progress, Settings, Workspace, open_workspace, silent
from deployer.report import DownResult


def down(name: str | None = None, *, settings: Settings | None = None, progress: Progress = silent) -> DownResult:
    """Requests in flight finish first. Raises NothingDeployed, LockHeld."""
    workspace = open_workspace(settings or Settings())
    name, env = workspace.deployment_name(name), workspace.spec.env
    result = _down(workspace, name, env, progress)
    if result is None:
        raise workspace.nothing_deployed(name)
    return result


def down_all(*, settings: Settings | None = None, progress: Progress = silent) -> tuple[DownResult, ...]:
    """Every deployment of the engine, in all environments. Raises NothingDeployed when there is none."""
    workspace = open_workspace(settings or Settings())
    results = [_down(workspace, name, env, progress) for name, env in workspace.engine.names()]
    removed = tuple(result for result in results if result)
    if not removed:
        raise NothingDeployed("nothing is deployed")
    return removed


def _down(workspace: Workspace, name: str, env: str, progress: Progress) -> DownResult | None:
    """None when nothing served; what killed commands left is gone then, too."""
    with workspace.engine.lock(name, env, workspace.settings.lock_wait):
        observed = workspace.engine.observe(name, env)
        if observed:
            progress(f"stopping {name} [{env}]")
        workspace.engine.remove(name, env)
    return DownResult(name, env, workspace.engine.name, planning.remove(observed)) if observed else None
