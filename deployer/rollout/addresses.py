"""The address of a deployment: host and ports that it keeps, hints for taken ports, and who can reach it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

from deployer.config import hosts
from deployer.config.spec import Spec
from deployer.engines.base import Address
from deployer.errors import EngineError, InvalidValue, PortTaken
from deployer.results.deployment import LOOPBACK, Deployment
from deployer.rollout.other_deployments import hint_for_other_projects
from deployer.rollout.release_settings import ReleaseSettings
from deployer.rollout.workspace import Workspace

OPTION_HINT = "--{}-port 0", ""
SETTING_HINT = "server.{}_port = 0", " in deployer.toml"


@contextmanager
def suggest_free_port(workspace: Workspace, hint: tuple[str, str]) -> Iterator[None]:
    """Add a hint to the error for a configured port that is taken: what to set for each such port.

    `hint` has a text with a place for the protocol, and one that follows them.
    """
    try:
        yield
    except PortTaken as error:
        server, (setting, where) = workspace.spec.server, hint
        configured = {"rest": server.rest_port, "grpc": server.grpc_port}
        if error.port is not None and error.port in configured.values():
            taken = [
                protocol for protocol, port in configured.items() if port == error.port or _is_taken(workspace, port)
            ]
            take = "takes any free port" if len(taken) == 1 else "take any free ports"
            free = f"{' and '.join(map(setting.format, taken))}{where} {take}"
            elsewhere = hint_for_other_projects(workspace, workspace.spec.deployment)
            error.hint = f"{free}; {elsewhere}" if elsewhere else free
        raise


def _is_taken(workspace: Workspace, port: int | None) -> bool:
    spec = workspace.spec
    try:
        workspace.engine.preflight.address(spec.deployment, spec.env, Address(spec.server.address, None, port))
    except PortTaken:
        return True
    except EngineError:
        return False
    return False


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


def exposure(host: str, *, tls: bool, tokens: bool) -> str:
    """Return a notice about who can reach a server at this host, and what protects it; empty for loopback."""
    if host in ("", LOOPBACK):
        return ""
    try:
        if hosts.is_loopback(host):
            return ""
        reach = "every address of this machine" if host in hosts.EVERY_INTERFACE else host
    except ValueError:  # a host name of an older release: Docker published it on every interface
        reach = host
    missing = [text for text, present in (("no TLS", tls), ("no token", tokens)) if not present]
    protection = ", ".join(missing) if missing else "with TLS and tokens"
    return f"reachable from other machines, at {reach}: {protection}"
