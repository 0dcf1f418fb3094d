"""Values of a deployment: served models, the launch of a server, and the observed state."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deployer.results.model import Model

DEFAULT_ENV = "local"
ENV_VARIABLE = "DEPLOYER_ENV"
INTERNAL: dict[str, bool] = {"internal": True}
"""Marks a field that only this process can use."""

LOST = "lost"
GONE = "gone"
"""The role of a server that runs without its state directory."""
IN_IMAGE = "in_image"
"""The recorded setting of a server whose image has the models inside."""
LOOPBACK = "127.0.0.1"
REST_PORT, GRPC_PORT = 8501, 8500
"""The default ports of TensorFlow Serving."""
MODEL_CONFIG = "model_config.config"
BATCHING_CONFIG = "batching_parameters.config"
MONITORING_CONFIG = "monitoring.config"
"""The config file with the models, which a running server can reload."""


def cli_name(name: str, env: str) -> str:
    """Return the arguments that name a deployment on the command line.

    The default environment is left out, unless a variable chooses another.
    """
    by_default = os.environ.get(ENV_VARIABLE) or DEFAULT_ENV
    return name if env == by_default == DEFAULT_ENV else f"{name} --env {env}"


@dataclass(frozen=True)
class ServedModel:
    """A model as a server serves it: exact versions, labels for some, and the digest of each version's files."""

    name: str
    versions: tuple[int, ...]
    labels: tuple[tuple[str, int], ...] = ()
    digests: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return `name:1` for one version without labels; otherwise `name: 1 (stable), 2`."""
        if len(self.versions) == 1 and not self.labels:
            return f"{self.name}:{self.versions[0]}"
        labels = {version: [label for label, to in self.labels if to == version] for version in self.versions}
        texts = (f"{version} ({', '.join(names)})" if names else str(version) for version, names in labels.items())
        return f"{self.name}: {', '.join(texts)}"

    def digest_of(self, version: int) -> str:
        """Return the digest of a version's files; empty if it is unknown."""
        return dict(zip(self.versions, self.digests, strict=False)).get(version, "")


def format_models(models: Iterable[ServedModel]) -> str:
    """Return models in one line."""
    return "; ".join(map(str, models))


def models_text(models: tuple[ServedModel, ...]) -> str:
    """Return models as JSON, for labels, state files and the ledger."""
    return json.dumps([[model.name, model.versions, model.labels, model.digests] for model in models])


def models_from(text: str) -> tuple[ServedModel, ...]:
    """Read models from JSON. Raises ValueError or TypeError for anything else."""
    return tuple(
        ServedModel(name, tuple(versions), tuple((label, version) for label, version in labelled), tuple(digests))
        for name, versions, labelled, digests in json.loads(text)
    )


@dataclass(frozen=True)
class ResolvedModel:
    """A model of a deployment, with its versions from the store."""

    served: ServedModel
    models: tuple[Model, ...]


@dataclass(frozen=True)
class Rendered:
    """The files that a server reads, by their path in its config directory."""

    files: Mapping[str, str]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Endpoints:
    """The addresses of a server: `rest` is a base URL, `grpc` is `host:port`."""

    rest: str
    grpc: str


@dataclass(frozen=True)
class NamedImage:
    """An image by its name, with the id that the name has on the engine now; empty if it is not pulled."""

    name: str
    id: str


SERVER_PARTS = (
    "the address",
    "the flags",
    "the models directory",
    "batching or monitoring",
    "the engine's settings or the store",
)
GATEWAY_PARTS = ("image", "template", "tokens", "certificate", "address")
PART_DIGITS = 10


@dataclass(frozen=True)
class Launch:
    """The desired state of a server: everything that an engine needs to start it."""

    name: str
    env: str
    host: str
    rest_port: int | None
    """None keeps the deployment's port, or takes the default if it is free; 0 takes any free port."""

    grpc_port: int | None
    flags: tuple[tuple[str, str], ...]
    models: tuple[ServedModel, ...]
    models_root: str
    """The store's directory, as the server sees it."""

    rendered: Rendered
    traits: object = None
    """The fingerprint of the engine's settings."""

    image: NamedImage | None = None
    """None for an engine without images."""

    gateway_digest: str = ""
    """The digests of GATEWAY_PARTS; empty without a gateway."""

    gateway_image: NamedImage | None = None
    gateway_settings: Mapping[str, object] = field(default_factory=dict, hash=False)

    project: str = ""
    temporary_settings: tuple[str, ...] = ()
    """The settings of the container that variables or options set."""

    in_image: bool = False
    """Whether the server's image has the models and the configuration inside: then no directory is mounted."""

    replicas: int | None = None
    """The number of servers; None on an engine that runs one."""

    changed_variables: tuple[str, ...] = ()
    """The environment variables whose values differ from those of the server that serves now."""

    @property
    def key(self) -> tuple[str, str]:
        """The name and the environment."""
        return self.name, self.env

    @property
    def server_digest(self) -> str:
        """The digests of what a running server cannot reload, one for each of SERVER_PARTS."""
        files = {name: text for name, text in self.rendered.files.items() if name != MODEL_CONFIG}
        return digest_of_parts(self.host, self.flags, self.models_root, files, self.traits)


def digest_of_parts(*parts: object) -> str:
    """Return the digests of several parts, which `differing_parts` compares."""
    return ".".join(digest(part)[:PART_DIGITS] for part in parts)


def differing_parts(desired: str, observed: str, names: tuple[str, ...] = SERVER_PARTS) -> tuple[str, ...]:
    """Return which parts differ between two digests, by their names; all of them if one has another format."""
    desired_parts, observed_parts = desired.split("."), observed.split(".")
    if len(desired_parts) != len(observed_parts):
        return names
    pairs = zip(names, desired_parts, observed_parts, strict=False)
    return tuple(name for name, one, other in pairs if one != other)


def digest(value: object) -> str:
    """Return a short, stable digest of plain data."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


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

    guarded: bool = False
    """Whether clients need a token; unknown if its directory is lost."""

    lost: bool = False
    """Whether its directory is gone, with deployer's token and the gateway's runtime socket."""

    settings: Mapping[str, object] = field(default_factory=dict, hash=False)
    """The settings that it was started with."""

    temporary_settings: tuple[str, ...] = ()
    """The settings that variables set."""


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

    environment: tuple[str, ...] | None = None
    """The names of the variables that its container was started with; None if it does not record them."""

    machine: str = ""
    """The machine of its engine, where its addresses are; empty for this machine."""

    reach: str = ""
    """The command that makes its ports reachable from this machine, if they are bound to loopback on another one."""

    replicas: int = 1
    """How many servers it should have."""

    nodes: tuple[Node, ...] = ()
    """The machines that run its servers and gateways, by name; empty on an engine of one machine."""

    forwarded: Endpoints | None = field(default=None, compare=False, metadata=INTERNAL)
    """The local addresses that lead to it while this command runs, if it is on another machine."""

    @property
    def running_replicas(self) -> int:
        """How many of its servers run."""
        return sum(node.replicas for node in self.nodes) if self.nodes else int(self.running)

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
