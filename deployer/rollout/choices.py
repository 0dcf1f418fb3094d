"""What a deploy chooses without being asked, and what is said of it: who reaches the server, and why those ports."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

from deployer.config import threads
from deployer.config.spec import Server, Spec
from deployer.errors import InvalidValue, PortTaken
from deployer.results.deployment import DEFAULT_ENV, GRPC_PORT, LOOPBACK, REST_PORT, Deployment, Launch
from deployer.rollout.workspace import Workspace

BY_OPTION = "--{}-port 0 takes any free port"
BY_SETTING = "server.{}_port = 0 in deployer.toml takes any free port"


@contextmanager
def leaving_ports(server: Server, way: str) -> Iterator[None]:
    """Say of a port that is taken and was asked for how another is chosen; `way` is a hint without the port's name."""
    try:
        yield
    except PortTaken as error:
        asked = {server.rest_port: "rest", server.grpc_port: "grpc"}
        if error.port is not None and error.port in asked:
            error.hint = way.format(asked[error.port])
        raise


def remembered(spec: Spec, observed: Deployment | None) -> Spec:
    """The spec with the address that the deployment has, where no setting says otherwise: as its ports, it stays."""
    if spec.server.host is not None or observed is None or observed.host in ("", LOOPBACK):
        return spec
    from deployer.config import hosts

    try:
        host = hosts.address(observed.host)
    except InvalidValue:  # an old release may have been given what is refused today
        return spec
    return dataclasses.replace(spec, server=dataclasses.replace(spec.server, host=host))


def kept(spec: Spec, observed: Deployment | None) -> Spec:
    """The spec with the address and the ports that `up` leaves as they are, where no setting says otherwise."""
    if observed is None:
        return spec
    spec = remembered(spec, observed)
    rest, grpc = spec.server.rest_port or observed.rest_port, spec.server.grpc_port or observed.grpc_port
    return dataclasses.replace(spec, server=dataclasses.replace(spec.server, rest_port=rest, grpc_port=grpc))


def notices(
    workspace: Workspace, launch: Launch, observed: Deployment | None, deployed: Deployment | None
) -> tuple[str, ...]:
    """What is to be said of a launch; `deployed` is what came of it, None where it was only planned."""
    gateway = workspace.spec.gateway
    exposed = exposure(
        launch.host, tls=gateway.enabled and gateway.tls, tokens=gateway.enabled and gateway.tokens is not None
    )
    found = (
        _engine(workspace) if observed is None else _stopped(observed),
        observed.config_note if observed else "",
        workspace.unasked,
        _environment(workspace) if observed is None else "",
        _store(workspace, observed),
        *_ports(workspace, launch, observed, deployed),
        _address(launch, observed),
        _image(workspace, launch, observed),
        exposed,
        threads.lack_of_room(workspace.spec.server.flags),
    )
    return tuple(filter(None, found))


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


def _environment(workspace: Workspace) -> str:
    """That a new environment has nearly the name of another one; where the document has overlays, it must have one."""
    spec = workspace.spec
    if spec.env == DEFAULT_ENV:
        return ""
    import difflib

    from deployer.config import loader

    keys = {key for engine in workspace.engines for key in engine.inventory.names()} - {(spec.deployment, spec.env)}
    known = {env for _, env in keys} | set(loader.environments(workspace.settings.config))
    near = difflib.get_close_matches(spec.env, known, n=1)
    return f"[{spec.env}] is a new environment: did you mean --env {near[0]}?" if near and spec.env not in known else ""


def _engine(workspace: Workspace) -> str:
    if workspace.absence:
        return f"the embedded engine was chosen: {workspace.absence}"
    chosen = workspace.spec.engine == "auto" and workspace.engine.traits.name == "docker"
    return f"the docker engine was chosen: one answers; its servers run {workspace.spec.docker.image}" if chosen else ""


def _image(workspace: Workspace, launch: Launch, observed: Deployment | None) -> str:
    wanted = workspace.spec.docker.image
    if observed is None or observed.image_name in ("", wanted):
        return ""
    if launch.image is not None and launch.image.id == observed.image_id:
        return ""
    return f"the image changes from {observed.image_name} to {wanted}, as docker.image says"


def _stopped(observed: Deployment) -> str:
    return "" if observed.running else "its server was not running: this starts another"


def _store(workspace: Workspace, observed: Deployment | None) -> str:
    """Two directories of one name are one project on an engine."""
    if observed is None or observed.store is None or observed.store == workspace.spec.models_dir.resolve():
        return ""
    return f"it was deployed from another directory of this project, with the models of {observed.store}"


def _address(launch: Launch, observed: Deployment | None) -> str:
    if observed is None or observed.host in ("", launch.host):
        return ""
    return f"the address changes from {observed.host} to {launch.host}, as server.host or --host says"


def _ports(
    workspace: Workspace, launch: Launch, observed: Deployment | None, deployed: Deployment | None
) -> Iterator[str]:
    """Why a port that was left open is another than the one that was to be expected."""
    rest, grpc = (observed.rest_port, observed.grpc_port) if observed else (None, None)
    got_rest, got_grpc = (deployed.rest_port, deployed.grpc_port) if deployed else (None, None)
    if launch.rest_port is None:
        yield _port(workspace, launch.host, rest or REST_PORT, got_rest, there=observed)
    if launch.grpc_port is None:
        yield _port(workspace, launch.host, grpc or GRPC_PORT, got_grpc, there=observed)


def _port(workspace: Workspace, host: str, expected: int, got: int | None, *, there: Deployment | None) -> str:
    if got == expected or (got is None and there is not None):
        return ""
    if got is None and not _taken(host, expected):
        return ""
    from deployer import engines

    holder = engines.port_holder(workspace.engine, expected)
    return f"port {expected} is taken by {holder}: using {'a free one' if got is None else got}"


def _taken(host: str, port: int) -> bool:
    from deployer.engines import ports
    from deployer.errors import EngineError

    try:
        ports.check_free(host, port)
    except PortTaken:
        return True
    except EngineError:
        return False
    return False
