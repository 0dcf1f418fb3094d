"""`unlock`: whose lock is on a deployment, and taking it away."""

from __future__ import annotations

from deployer.operations.workspace import Settings, Workspace, open_workspace
from deployer.report.changes import UnlockResult


def unlock(name: str | None = None, *, force: bool = False, settings: Settings | None = None) -> UnlockResult:
    """Tell who works on a deployment; with `force` take the lock away: a command of this machine is ended.

    Raises EngineError, and LockHeld for a command that cannot be ended from here.
    """
    workspace = open_workspace(settings or Settings())
    name = workspace.deployment_name(name)
    owner = _owner(workspace, name, force)
    return UnlockResult(name, workspace.spec.env, owner, taken=bool(owner) and force)


def _owner(workspace: Workspace, name: str, force: bool) -> str | None:
    for engine in workspace.engines:
        owner = engine.lock_owner(name, workspace.spec.env)
        if owner is not None:
            if force:
                engine.unlock(name, workspace.spec.env)
            return str(owner)
    return None
