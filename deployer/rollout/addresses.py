"""The address of a deployment: host and ports that it keeps, hints for taken ports, and who can reach it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

from deployer import engines
from deployer.config import hosts
from deployer.config.spec import Spec
from deployer.engines.base import Address
from deployer.errors import ConfigError, EngineError, InvalidValue, PortTaken
from deployer.results.deployment import LOOPBACK, Deployment
from deployer.rollout.other_deployments import holder_command
from deployer.rollout.release_settings import ReleaseSettings
from deployer.rollout.workspace import Workspace

OPTION_HINT = "--{}-port 0", ""
SETTING_HINT = "server.{}_port = 0", " in deployer.toml"


@contextmanager
def suggest_free_port(workspace: Workspace, hint: tuple[str, str]) -> Iterator[None]:
    """Complete the error for a configured port that is taken: what sets it, what to set, and who has it.

    `hint` has a text with a place for the protocol, and one that follows them.
    """
    try:
        yield
    except PortTaken as error:
        configured = _configured_ports(workspace)
        if error.port is not None and error.port in configured.values():
            holder = engines.port_holder(workspace.engine, error.port)
            if holder.name and holder.text not in error.message:  # an engine sees the proxy of another one
                error.message = f"port {error.port} is taken by {holder}"
            _name_origin(error, workspace, error.port)
            shown = holder_command(workspace, holder)
            ways = (
                _free_ports(workspace, hint, error.port),
                f"{shown} shows the deployment that has it" if shown else "",
            )
            error.hint = "; ".join(filter(None, ways))
        raise


def _configured_ports(workspace: Workspace) -> dict[str, int | None]:
    server = workspace.spec.server
    return {"rest": server.rest_port, "grpc": server.grpc_port}


def _name_origin(error: PortTaken, workspace: Workspace, port: int) -> None:
    """Add to the message what sets the port: an option, a variable or a key of the file."""
    origins = workspace.origins
    keys = [f"server.{protocol}_port" for protocol, each in _configured_ports(workspace).items() if each == port]
    for key in keys:
        if origin := origins.of(key):
            inherits = f", and [{origins.overlay}] sets no other" if origins.is_inherited(key) else ""
            error.message = f"{error.message}: {origin} sets it{inherits}"
    error.args = (error.message,)


def _free_ports(workspace: Workspace, hint: tuple[str, str], port: int) -> str:
    """Return the part of the hint that gives every taken port of the configuration another number."""
    setting, where = hint
    configured = _configured_ports(workspace).items()
    taken = [protocol for protocol, each in configured if each == port or (each and taken_by(workspace, each))]
    take = "takes any free port" if len(taken) == 1 else "take any free ports"
    free = f"{' and '.join(map(setting.format, taken))}{where} {take}"
    origins = workspace.origins
    inherited = [f"{protocol}_port" for protocol in taken if origins.is_inherited(f"server.{protocol}_port")]
    if not inherited:
        return free
    return f"set {' and '.join(inherited)} in [{origins.overlay}.server] of {origins.file_name}, or {free}"


def taken_by(workspace: Workspace, port: int) -> str:
    """Return the message that something other than the deployment holds a port; empty if it is free."""
    spec = workspace.spec
    try:
        workspace.engine.preflight.address(spec.deployment, spec.env, Address(spec.server.address, None, port))
    except PortTaken as error:
        return error.message if error.port == port else ""
    except (ConfigError, EngineError):
        return ""
    return ""


def keep_host(spec: Spec, observed: Deployment | ReleaseSettings | None) -> Spec:
    """Return the spec with the host that the deployment has, unless a setting chooses another."""
    if spec.server.host is not None or observed is None or observed.host in ("", LOOPBACK):
        return spec
    try:
        host = hosts.resolve_host(observed.host)
    except InvalidValue:  # older releases accepted addresses that are refused today
        return spec
    return dataclasses.replace(spec, server=dataclasses.replace(spec.server, host=host))


def keep_address(spec: Spec, observed: Deployment | None) -> Spec:
    """Return the spec with the host and ports that the deployment has, unless a setting chooses others."""
    if observed is None:
        return spec
    spec = keep_host(spec, observed)
    rest, grpc = spec.server.rest_port or observed.rest_port, spec.server.grpc_port or observed.grpc_port
    return dataclasses.replace(spec, server=dataclasses.replace(spec.server, rest_port=rest, grpc_port=grpc))


def exposure(host: str, *, tls: bool, tokens: bool, of_nodes: bool = False, machine: str = "") -> str:
    """Return a notice about who can reach a server at this host, and what protects it; empty for loopback.

    `machine` is the machine of the server, if it is another one.
    """
    if host in ("", LOOPBACK):
        return ""
    try:
        if hosts.is_loopback(host):
            return ""
        every = "every address of the nodes" if of_nodes else f"every address of {machine or 'this machine'}"
        reach = every if host in hosts.EVERY_INTERFACE else host
    except ValueError:  # a host name of an older release: Docker published it on every interface
        reach = host
    missing = [text for text, present in (("no TLS", tls), ("no token", tokens)) if not present]
    protection = ", ".join(missing) if missing else "with TLS and tokens"
    return f"reachable from other machines, at {reach}: {protection}"
