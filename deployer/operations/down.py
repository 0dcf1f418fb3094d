"""`down`: stops a deployment and removes all that was made for it; the store stays."""

from __future__ import annotations

from deployer import plan as planning
from deployer.engines.base import Engine
from deployer.errors import NothingDeployed
from deployer.operations.recording import recorded
from deployer.operations.workspace import Progress, Settings, Workspace, open_everywhere, open_workspace, silent
from deployer.report import DownResult


def down(name: str | None = None, *, settings: Settings | None = None, progress: Progress = silent) -> DownResult:
    """Requests in flight finish first. Raises NothingDeployed, LockHeld."""
    workspace = open_workspace(settings or Settings())
    name = workspace.deployment_name(name)
    result = _down(workspace, workspace.narrowed(name).engine, (name, workspace.spec.env), progress)
    if result is None:
        raise workspace.nothing_deployed(name)
    return result


def down_all(*, settings: Settings | None = None, progress: Progress = silent) -> tuple[DownResult, ...]:
    """Every deployment of the engines, in all environments. Raises NothingDeployed when there is none."""
    workspace = open_everywhere(settings or Settings())
    results = [_down(workspace, engine, key, progress) for engine in workspace.engines for key in engine.names()]
    removed = tuple(result for result in results if result)
    if not removed:
        raise NothingDeployed("nothing is deployed")
    return removed


def _down(workspace: Workspace, engine: Engine, key: tuple[str, str], progress: Progress) -> DownResult | None:
    """None when nothing served; what killed commands left is gone then, too."""
    name, env = key
    with engine.lock(name, env, workspace.settings.lock_wait):
        for told in (*workspace.ledger.interrupted(name, env), *engine.recover(name, env)):
            progress(told)
        observed = engine.observe(name, env)
        if observed is None:
            engine.remove(name, env)
            return None
        progress(f"stopping {name} [{env}]")
        plan = planning.remove(observed)
        with recorded(workspace.ledger, observed, plan, engine.name) as step:
            step(f"stop and remove release {observed.release}")
            engine.remove(name, env)
    return DownResult(name, env, engine.name, plan)
