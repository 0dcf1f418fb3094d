"""Deployments whose server is gone without `deployer down` here, such as a container that was removed by hand.

No engine knows them any more. The history does: it has no removal of what they served last.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from deployer.errors import LedgerError
from deployer.results.deployment import GONE, Deployment, Endpoints
from deployer.results.served import format_models
from deployer.rollout import other_engines
from deployer.rollout.release_settings import ReleaseSettings
from deployer.rollout.workspace import Workspace


def find(workspace: Workspace, name: str) -> Deployment | None:
    """Return a deployment of the environment as the history has it; None if the engine has it, or it was removed.

    Its role is `gone`: no engine can be asked about it.
    """
    workspace, key = workspace.for_deployment(name), (name, workspace.spec.env)
    engine = workspace.engine
    return None if engine.observe(*key) or engine.inventory.lost(*key) else last_state(workspace, *key)


def find_all(workspace: Workspace, known: Iterable[Deployment], env: str | None = None) -> tuple[Deployment, ...]:
    """Return the deployments of one environment or of all that the engine of the workspace has lost.

    `known` are those that the engine has.
    """
    has = {(each.name, each.env) for each in known}
    with suppress(LedgerError):
        keys = {(name, where) for _, name, where in workspace.ledger.deployments() if env in (None, where)}
        return tuple(filter(None, (last_state(workspace, *key) for key in sorted(keys - has))))
    return ()


def last_state(workspace: Workspace, name: str, env: str) -> Deployment | None:
    """Return a deployment that the engine does not have as its last successful release there made it.

    None if it was removed, or deployed on an engine at another address.
    """
    engine, ledger = workspace.engine, workspace.ledger
    kind = engine.traits.name
    with suppress(LedgerError):
        last = other_engines.last_here(workspace, name, env)
        if last is None:
            return None
        settings = ledger.settings_of(last.number) or ReleaseSettings()
        return Deployment(
            name=name,
            env=env,
            engine=kind,
            release=last.server,
            role=GONE,
            models=last.models,
            endpoints=Endpoints("", ""),
            rest_port=settings.rest_port or 0,
            grpc_port=settings.grpc_port or 0,
            server_digest="",
            created=last.began,
            running=False,
            pid=None,
            directory=engine.traits.state_dir,
            store=Path(last.store) if last.store else None,
            project=engine.traits.project,
            settings=settings.settings,
            temporary_settings=settings.temporary_settings,
        )
    return None


def note(deployment: Deployment) -> str:
    """Return what the history says of a deployment that is gone."""
    served = format_models(deployment.models)
    server = f"the server of {deployment.name} [{deployment.env}]"
    return f"{server} is gone, and the history here has no removal of it; the last release here served {served}"
