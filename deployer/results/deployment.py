"""The observed state of a deployment: its server, its gateway, its address."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deployer.results.served import ServedModel, format_models

DEFAULT_ENV = "local"
ENV_VARIABLE = "DEPLOYER_ENV"
INTERNAL: dict[str, bool] = {"internal": True}
"""Marks a field that only this process can use."""

LOST = "lost"
"""The role of a server that runs without its state directory."""
GONE = "gone"
"""The role of a server that the history alone has."""
IN_IMAGE = "in_image"
"""The recorded setting of a server whose image has the models inside."""
LOOPBACK = "127.0.0.1"
REST_PORT, GRPC_PORT = 8501, 8500
"""The default ports of TensorFlow Serving."""


def cli_name(name: str, env: str) -> str:
    """Return the arguments that name a deployment on the command line.

    The default environment is left out, unless a variable chooses another.
    """
    by_default = os.environ.get(ENV_VARIABLE) or DEFAULT_ENV
    return name if env == by_default == DEFAULT_ENV else f"{name} --env {env}"


@dataclass(frozen=True)
class Endpoints:
    """The addresses of a server: `rest` is a base URL, `grpc` is `host:port`."""

    rest: str
    grpc: str


@dataclass(frozen=True)
class Gateway:
    """The gateway in front of a server."""

    digest: str
    """Changes with its settings; empty if its container is gone."""

    running: bool
    token: Path
    """The file with the bearer token that deployer itself uses."""

    certificate: Path | None = None
    """The file of the TLS certificate; None without TLS."""

    closed: bool = False
    """Whether it needs a token and no client has one: it refuses every client."""

    guarded: bool = False
    """Whether clients need a token; unknown if its directory is lost."""

    lost: bool = False
    """Whether its directory is gone, with deployer's token and the gateway's runtime socket."""

    settings: Mapping[str, object] = field(default_factory=dict, hash=False)
    """The settings that it was started with."""

    temporary_settings: tuple[str, ...] = ()
    """The settings that variables set."""

    paused: bool = False
    """Whether its container is paused: it holds the ports and answers nothing."""


@dataclass(frozen=True)
class Node:
    """A machine of a cluster that runs a part of a deployment."""

    name: str
    replicas: int
    """How many of its servers run there."""

    endpoints: Endpoints | None = None
    """Where it answers on that machine; None if no gateway runs there."""


@dataclass(frozen=True)
class Deployment:
    """A server as an engine observed it."""

    name: str
    env: str
    engine: str
    release: str
    role: str
    """`candidate` until it is promoted, then `serving`; `lost` if it runs without its state directory; `gone` if the
    history alone has it."""

    models: tuple[ServedModel, ...]
    endpoints: Endpoints
    rest_port: int
    grpc_port: int
    server_digest: str
    created: str
    running: bool
    pid: int | None
    directory: Path
    image: str = ""
    """What a container runs: `repository@digest`, or the id of an image without a registry."""

    image_id: str = ""
    """The id of the image on its engine."""

    image_name: str = ""
    """The name by which the image was chosen."""

    store: Path | None = None
    """The directory of its store; None for the store of the workspace."""

    reloading_to: tuple[ServedModel, ...] | None = None
    """The models of a reload that has not ended: the server has these or still `models`."""

    slot: str = ""
    """Its place behind a gateway."""

    gateway: Gateway | None = None
    direct_endpoints: Endpoints | None = None
    """Its own address behind a gateway whose directory is lost: deployer's requests go there."""

    host: str = ""
    """The address that its ports are bound to."""

    project: str = ""
    config_lost: bool = False
    """Whether its run directory is gone: then `models` are those that it started with."""

    settings: Mapping[str, object] = field(default_factory=dict, hash=False)
    """The settings that its container was started with, as far as it records them."""

    temporary_settings: tuple[str, ...] = ()
    """The settings of its container that variables or options set."""

    flags: tuple[tuple[str, str], ...] | None = None
    """The flags that it was started with, by `server.flags` or default; None for one of an older release."""

    image_tables: tuple[str, ...] | None = None
    """The tables of the settings, such as `monitoring`, that its image has inside; None if that is not known."""

    environment: tuple[str, ...] | None = None
    """The names of the variables that its container was started with; None if it does not record them."""

    machine: str = ""
    """The machine of its engine, where its addresses are; empty for this machine."""

    reach: str = ""
    """The command that makes its ports reachable from this machine, if they are bound to loopback on another one."""

    replicas: int = 1
    """How many servers it should have."""

    paused: bool = False
    """Whether its server is paused, by `docker pause` or a signal: it holds its ports and answers nothing."""

    nodes: tuple[Node, ...] = ()
    """The machines that run its servers and gateways, by name; empty on an engine of one machine."""

    forwarded: Endpoints | None = field(default=None, compare=False, metadata=INTERNAL)
    """The local addresses that lead to it while this command runs, if it is on another machine."""

    alone: bool = field(default=False, compare=False, metadata=INTERNAL)
    """Whether it was seen that the deployment has no other server, which a killed replacement would have left."""

    @property
    def running_replicas(self) -> int:
        """How many of its servers run."""
        return sum(node.replicas for node in self.nodes) if self.nodes else int(self.running)

    @property
    def replicas_note(self) -> str:
        """The note that servers are missing; empty if all run."""
        running = self.running_replicas
        return f"{running} of {self.replicas} servers run" if self.running and running < self.replicas else ""

    @property
    def in_image(self) -> bool:
        """Whether its image has the models inside; `store` then is a copy of them for this tool."""
        return self.settings.get(IN_IMAGE) is True

    @property
    def image_reference(self) -> str:
        """The name by which its image was chosen, also if the history alone has the deployment."""
        return self.image_name or str(self.settings.get("image", ""))

    @property
    def client_route(self) -> tuple[Endpoints, Gateway | None]:
        """The address for requests of deployer itself, with the gateway in front of it."""
        endpoints, gateway = (self.direct_endpoints, None) if self.direct_endpoints else (self.endpoints, self.gateway)
        return self.forwarded or endpoints, gateway

    @property
    def reach_note(self) -> str:
        """The notice that only another machine reaches its ports, with the command that forwards them; else empty."""
        return (
            f"only {self.machine} reaches its ports: {self.reach} forwards them to this machine" if self.reach else ""
        )

    @property
    def stopped_component(self) -> str:
        """Which part is not running, `server` or `gateway`; empty if it answers requests."""
        if not self.running:
            return "server"
        return "gateway" if self.gateway and not self.gateway.running else ""

    @property
    def paused_component(self) -> str:
        """Which part is paused, `server` or `gateway`; empty if neither is."""
        if self.running and self.paused:
            return "server"
        return "gateway" if self.running and self.gateway and self.gateway.paused else ""

    @property
    def silence(self) -> str:
        """Why it answers no requests, such as `its server is not running`; empty if it does."""
        if self.stopped_component:
            return f"its {self.stopped_component} is not running"
        return f"its {self.paused_component} is paused" if self.paused_component else ""

    @property
    def holds_ports(self) -> bool:
        """Whether it holds its ports itself, by its server or by a gateway whose server may be down."""
        return self.gateway.running if self.gateway else self.running

    @property
    def lost_parts(self) -> str:
        """What has lost its directory: `server`, `gateway`, `server and gateway`, or nothing."""
        lost_gateway = self.gateway is not None and self.gateway.lost
        return " and ".join(filter(None, ("server" * self.config_lost, "gateway" * lost_gateway)))

    @property
    def config_note(self) -> str:
        """The notice about lost directories; empty without one."""
        record = (
            f"{self.directory} is gone, with the record of reloads: {format_models(self.models)} is what "
            f"{self.name} [{self.env}] started with, and it may serve other versions by now"
        )
        gateway = "its gateway's directory is gone: deployer sends its requests to the server itself"
        parts = (record if self.config_lost else "", gateway if "gateway" in self.lost_parts else "")
        return "; ".join(filter(None, parts))


@dataclass(frozen=True)
class Memory:
    """The memory of a server, in bytes; None is unknown."""

    used: int
    limit: int | None = None
    free: int | None = None
    """Free memory of its machine."""

    cached: int = 0
    """Cached files that count as its memory and can be reclaimed."""
