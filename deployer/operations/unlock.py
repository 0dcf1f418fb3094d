"""`unlock`: whose lock is on a deployment, and taking it away."""

from __future__ import annotations

from deployer.config.options import Settings
from deployer.results.changes import UnlockResult
from deployer.rollout.workspace import open_workspace


def unlock(name: str | None = None, *, force: bool = False, settings: Settings | None = None) -> UnlockResult:
    """Tell who works on a deployment; with `force` take the lock away: a command of this machine is ended.

    Raises EngineError, LockHeld for a command that cannot be ended from here, and EngineConflict for two of them.
    """
    workspace = open_workspace(settings or Settings())
    name = workspace.deployment_name(name)
    owners = [(engine, engine.locks.owner(name, workspace.spec.env)) for engine in workspace.engines]
    held = [(engine, str(owner)) for engine, owner in owners if owner is not None]
    if len(held) > 1:
        raise workspace.engine_conflict(name, tuple(engine for engine, _ in held))
    for engine, _ in held if force else ():
        engine.locks.break_lock(name, workspace.spec.env)
    owner = held[0][1] if held else None
    return UnlockResult(name, workspace.spec.env, owner, taken=bool(owner) and force)
