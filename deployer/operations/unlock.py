"""`unlock`: show who holds the lock of a deployment, or break it."""

from __future__ import annotations

from deployer.config.options import Settings
from deployer.engines.base import Engine
from deployer.results.changes import UnlockResult
from deployer.rollout import lookup
from deployer.rollout.workspace import open_workspace


def unlock(name: str | None = None, *, force: bool = False, settings: Settings | None = None) -> UnlockResult:
    """Return who holds the lock of a deployment; with `force`, break it and end the command if it runs here.

    Raises EngineError, LockHeld for a command that runs elsewhere, EngineConflict for locks on two engines,
    DeploymentNotFound where neither a lock nor a deployment has that name.
    """
    workspace = open_workspace(settings or Settings(), "unlock", allow_unset=True)
    name = lookup.deployment_name(workspace, name)
    owners = [(engine, engine.locks.owner(name, workspace.spec.env)) for engine in workspace.engines]
    held = [(engine, str(owner)) for engine, owner in owners if owner is not None]
    if len(held) > 1:
        raise workspace.engine_conflict(name, tuple(engine for engine, _ in held))
    if not held and not any(_exists(engine, name, workspace.spec.env) for engine in workspace.engines):
        raise lookup.not_deployed_error(workspace, name)
    for engine, _ in held if force else ():
        engine.locks.break_lock(name, workspace.spec.env)
    owner = held[0][1] if held else None
    return UnlockResult(name, workspace.spec.env, owner, taken=bool(owner) and force)


def _exists(engine: Engine, name: str, env: str) -> bool:
    return engine.observe(name, env) is not None or bool(engine.inventory.lost(name, env))
