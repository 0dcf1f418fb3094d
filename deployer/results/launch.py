"""The launch: the desired state of a server, and the digests that tell it from another one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from deployer.results.served import ServedModel

MODEL_CONFIG = "model_config.config"
"""The config file with the models, which a running server can reload."""
BATCHING_CONFIG = "batching_parameters.config"
MONITORING_CONFIG = "monitoring.config"
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
class Rendered:
    """The files that a server reads, by their path in its config directory."""

    files: Mapping[str, str]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class NamedImage:
    """An image by its name, with the id that the name has on the engine now; empty if it is not pulled."""

    name: str
    id: str


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

    image_tables: tuple[str, ...] = ()
    """The tables of the settings, such as `monitoring`, that such an image has inside."""

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
