"""The address of a deployment: host and ports that it keeps, hints for taken ports, and who can reach it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

from deployer.config import hosts
from deployer.config.spec import Server, Spec
from deployer.errors import InvalidValue, PortTaken
from deployer.results.deployment import LOOPBACK, Deployment

OPTION_HINT = "--{}-port 0 takes any free port"
SETTING_HINT = "server.{}_port = 0 in deployer.toml takes any free port"


@contextmanager
def suggest_free_port(server: Server, hint: str) -> Iterator[None]:
    """Add a hint to the error for a configured port that is taken; `hint` has a place for the protocol."""
    try:
        yield
    except PortTaken as error:
        configured = {server.rest_port: "rest", server.grpc_port: "grpc"}
        if error.port is not None and error.port in configured:
            error.hint = hint.format(configured[error.port])
        raise


def keep_host(spec: Spec, observed: Deployment | None) -> Spec:
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
