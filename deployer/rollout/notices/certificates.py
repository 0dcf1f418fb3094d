"""Notices about the gateway's self-signed certificate: clients trust it, and refuse another one."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from deployer.engines.base import Engine
from deployer.results.deployment import Deployment
from deployer.results.launch import Launch
from deployer.rollout.workspace import Workspace


def notices(workspace: Workspace, launch: Launch, observed: Deployment | None) -> Iterator[str]:
    """Yield the notices about a certificate that a change makes, replaces, keeps or deletes.

    `observed` is the last state of the deployment, also if the history alone has it.
    """
    engine = workspace.engine
    if launch.gateway_digest and (path := engine.gateways.new_certificate(launch.name, launch.env, launch.host)):
        before = engine.gateways.self_signed(launch.name, launch.env) is not None or _had_tls(observed)
        refuse = "; clients that trust an earlier one refuse it until they have it" if before else ""
        yield f"the gateway gets a new self-signed certificate, which clients need: {_shown(path)}{refuse}"
    is_disabled = not launch.gateway_digest and observed is not None and observed.gateway is not None
    if is_disabled and (path := engine.gateways.self_signed(launch.name, launch.env)):
        yield _removed(path) if engine.traits.replicated else _kept(path)


def removal(engine: Engine, name: str, env: str) -> Iterator[str]:
    """Yield the notice that `down` deletes the certificate of a deployment."""
    if path := engine.gateways.self_signed(name, env):
        yield _removed(path)


def _kept(path: Path) -> str:
    return f"the self-signed certificate {_shown(path)} is kept for a later gateway, until deployer down"


def _removed(path: Path) -> str:
    return (
        f"the gateway's self-signed certificate {_shown(path)} is deleted: a later gateway gets another one, which "
        f"clients that trust this one refuse; one from gateway.certificate and gateway.key would stay"
    )


def _had_tls(observed: Deployment | None) -> bool:
    return observed is not None and observed.gateway is not None and observed.gateway.certificate is not None


def _shown(path: Path) -> str:
    """Return a path for a shell, relative to the working directory if it is below that."""
    current = Path.cwd()
    return shlex.quote(str(path.relative_to(current) if path.is_relative_to(current) else path))
