"""Findings of `doctor` about the ports of the settings: who has them, and whether they are swapped."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from deployer import engines
from deployer.config.spec import Server
from deployer.engines import ports as machine_ports
from deployer.engines.base import Address
from deployer.errors import DeployerError, EngineError, PortTaken
from deployer.results.checks import Finding
from deployer.results.deployment import GRPC_PORT, REST_PORT
from deployer.rollout.other_deployments import holder_command
from deployer.rollout.workspace import Workspace


def ports(workspace: Workspace) -> Iterator[Finding]:
    """Check that the ports of the settings, or the default ones, are free or those of a deployment."""
    server = workspace.spec.server
    deployments = [each for engine in workspace.engines for each in engine.inventory.observe_all()]
    ours = {port for each in deployments for port in (each.rest_port, each.grpc_port)}
    engine = workspace.engine

    def check_there(host: str, port: int) -> None:
        engine.preflight.address(workspace.spec.name or "model", workspace.spec.env, Address(host, port, None))

    def check_here(host: str, port: int) -> None:
        try:
            machine_ports.check_free(host, port)
        except PortTaken as error:
            raise _deployment_error(workspace, port) or error from error

    check = check_there if engine.traits.machine or engine.traits.replicated else check_here
    for protocol, chosen, default in (("REST", server.rest_port, REST_PORT), ("gRPC", server.grpc_port, GRPC_PORT)):
        port = chosen or default
        if port in ours:
            yield Finding("ports", "ok", f"{protocol} {port} is ours")
            continue
        try:
            check(server.address, port)
        except DeployerError as error:
            yield Finding("ports", "error" if chosen else "warning", error.message, error.hint or "")
        else:
            yield Finding("ports", "ok", f"{protocol} {port} is free")
    yield from _swapped(server)


def _deployment_error(workspace: Workspace, port: int) -> PortTaken | None:
    """Return the error for a port that a deployment has, with the command for that; None if none has it."""
    for engine in workspace.engines:
        with contextlib.suppress(EngineError):
            holder = engines.port_holder(engine, port)
            if not holder.name:
                continue
            is_own = holder.project == engine.traits.project
            if is_own and engine.observe(holder.name, holder.env) is None:
                down = f"deployer down {workspace.cli_target(holder.name, holder.env)}"
                text = f"port {port} is taken by what is left of {holder}: its server is gone"
                return PortTaken(text, port=port, hint=f"{down} removes it, and deployer up replaces it")
            shown = holder_command(workspace, holder)
            hint = f"{shown} shows it; or choose another port, or 0 for any free one"
            return PortTaken(f"port {port} is taken by {holder}", port=port, hint=hint)
    return None


def _swapped(server: Server) -> Iterator[Finding]:
    """Find ports that are swapped, as in many tutorials."""
    if server.rest_port == GRPC_PORT or server.grpc_port == REST_PORT:
        text = f"clients expect REST on {REST_PORT} and gRPC on {GRPC_PORT}: here one is on the other's port"
        yield Finding("ports", "warning", text, f"server.rest_port = {REST_PORT}, server.grpc_port = {GRPC_PORT}")
