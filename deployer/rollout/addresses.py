"""The address of a deployment: what of it stays, which port is free, and who reaches it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

from deployer.config.spec import Server, Spec
from deployer.errors import InvalidValue, PortTaken
from deployer.results.deployment import LOOPBACK, Deployment

OPTION_HINT = "--{}-port 0 takes any free port"
SETTING_HINT = "server.{}_port = 0 in deployer.toml takes any free port"


@contextmanager
def suggest_free_port(server: Server, way: str) -> Iterator[None]:
    """Say of a port that is taken and was asked for how another is chosen; `way` is a hint without the port's name."""
    try:
        yield
    except PortTaken as error:
        asked = {server.rest_port: "rest", server.grpc_port: "grpc"}
        if error.port is not None and error.port in asked:
            error.hint = way.format(asked[error.port])
        raise


def keep_host(spec: Spec, observed: Deployment | None) -> Spec:
    """The spec with the address that the deployment has, where no setting says otherwise: as its ports, it stays."""
    if spec.server.host is not None or observed is None or observed.host in ("", LOOPBACK):
        return spec
    from deployer.config import hosts

    try:
        host = hosts.address(observed.host)
    except InvalidValue:  # an old release may have been given what is refused today
        return spec
    return dataclasses.replace(spec, server=dataclasses.replace(spec.server, host=host))


def keep_address(spec: Spec, observed: Deployment | None) -> Spec:
    """The spec with the address and the ports that `up` leaves as they are, where no setting says otherwise."""
    if observed is None:
        return spec
    spec = keep_host(spec, observed)
    rest, grpc = spec.server.rest_port or observed.rest_port, spec.server.grpc_port or observed.grpc_port
    return dataclasses.replace(spec, server=dataclasses.replace(spec.server, rest_port=rest, grpc_port=grpc))


def exposure(host: str, *, tls: bool, tokens: bool) -> str:
    """Who else reaches a server at this address, and what guards it there; empty for loopback."""
    if host in ("", LOOPBACK):
        return ""
    from deployer.config import hosts

    try:
        if hosts.is_loopback(host):
            return ""
        where = "every address of this machine" if host in hosts.EVERY_INTERFACE else host
    except ValueError:  # of an old release: a name, which the engine may have read as every interface
        where = host
    lacks = [what for what, there in (("no TLS", tls), ("no token", tokens)) if not there]
    guarded = ", ".join(lacks) if lacks else "with TLS and tokens"
    return f"reachable from other machines, at {where}: {guarded}"
