"""Values: what is to be served, what a server reads, and what is running."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deployer.results.model import Model

DEFAULT_ENV = "local"
LOST = "lost"
"""The role of a server that runs though its state directory is gone."""
LOOPBACK = "127.0.0.1"
REST_PORT, GRPC_PORT = 8501, 8500
"""Where clients of TensorFlow Serving expect it; many tutorials have them the other way round."""
MODEL_CONFIG = "model_config.config"
"""The file of a server's config folder that says what it serves: a running server can take up another."""


def cli_name(name: str, env: str) -> str:
    """What to type after a verb to mean this deployment."""
    return name if env == DEFAULT_ENV else f"{name} --env {env}"


@dataclass(frozen=True)
class ServedModel:
    """A model as a server serves it: exact versions, labels for some, and the digest of each version's files."""

    name: str
    versions: tuple[int, ...]
    labels: tuple[tuple[str, int], ...] = ()
    digests: tuple[str, ...] = ()

    def __str__(self) -> str:
        """`name:1` for one version without labels; otherwise `name: 1 (stable), 2`."""
        if len(self.versions) == 1 and not self.labels:
            return f"{self.name}:{self.versions[0]}"
        labels = {version: [label for label, to in self.labels if to == version] for version in self.versions}
        texts = (f"{version} ({', '.join(names)})" if names else str(version) for version, names in labels.items())
        return f"{self.name}: {', '.join(texts)}"

    def digest_of(self, version: int) -> str:
        """The digest of a version's files; empty where it is not known."""
        return dict(zip(self.versions, self.digests, strict=False)).get(version, "")


def format_models(models: Iterable[ServedModel]) -> str:
    """Several in one line."""
    return "; ".join(map(str, models))


def models_text(models: tuple[ServedModel, ...]) -> str:
    """Models as one line of JSON: what labels, state files and the ledger hold."""
    return json.dumps([[model.name, model.versions, model.labels, model.digests] for model in models])


def models_from(text: str) -> tuple[ServedModel, ...]:
    """The same read back. Raises ValueError and TypeError for anything else."""
    return tuple(
        ServedModel(name, tuple(versions), tuple((label, version) for label, version in labelled), tuple(digests))
        for name, versions, labelled, digests in json.loads(text)
    )


@dataclass(frozen=True)
class ResolvedModel:
    """A model of a deployment with its versions resolved to what the store has."""

    served: ServedModel
    models: tuple[Model, ...]


@dataclass(frozen=True)
class Rendered:
    """The files that a server reads, by their name in its config folder. `notices` say what was taken from the
    deployment, which other versions there are, and whose paths the files have, where no engine was named.
    """

    files: Mapping[str, str]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Endpoints:
    """Where a server answers: `rest` is a base URL, `grpc` is `host:port`."""

    rest: str
    grpc: str


@dataclass(frozen=True)
class NamedImage:
    """An image by the name that was given, and the id of what the engine has under that name now, if anything."""

    name: str
    id: str


SERVER_PARTS = (
    "the address",
    "the flags",
    "the models folder",
    "batching or monitoring",
    "the engine's settings or the store",
)
PART_DIGITS = 10


@dataclass(frozen=True)
class Launch:
    """Everything that makes one server what it is. Ports that are None or 0 may be any; `image` is None where the
    engine has no images.

    `server_digest` changes with what a running server cannot take up: flags, address, batching, where models are;
    `gateway_digest` with the gateway that is wanted in front of it, and is empty without one.
    """

    name: str
    env: str
    host: str
    rest_port: int | None
    grpc_port: int | None
    flags: tuple[tuple[str, str], ...]
    models: tuple[ServedModel, ...]
    models_root: str
    rendered: Rendered
    traits: object = None
    image: NamedImage | None = None
    gateway_digest: str = ""
    project: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Name and environment."""
        return self.name, self.env

    @property
    def server_digest(self) -> str:
        """Over all but ports, models and image: a digest for each of SERVER_PARTS, so that one can say what differs."""
        files = {name: text for name, text in self.rendered.files.items() if name != MODEL_CONFIG}
        parts = (self.host, self.flags, self.models_root, files, self.traits)
        return ".".join(digest(part)[:PART_DIGITS] for part in parts)


def differing_parts(wanted: str, there: str) -> tuple[str, ...]:
    """Which of SERVER_PARTS differ between two server digests; all of them where one is of another form."""
    ours, theirs = wanted.split("."), there.split(".")
    if len(ours) != len(theirs):
        return SERVER_PARTS
    return tuple(name for name, one, other in zip(SERVER_PARTS, ours, theirs, strict=True) if one != other)


def digest(value: object) -> str:
    """A short stable digest of plain data."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Gateway:
    """The gateway in front of a server. `digest` changes with its settings; one that is gone has none.

    `token` is the file of the tool's own bearer token, `certificate` that of the certificate when it speaks TLS;
    `guarded` when clients need a token.
    """

    digest: str
    running: bool
    token: Path
    certificate: Path | None = None
    guarded: bool = False


@dataclass(frozen=True)
class Deployment:
    """A server as an engine observed it. `role` is `candidate` until it was proven and promoted, then `serving`;
    of one that runs though its state directory is gone, `lost`.

    `image` is what a container runs: `repository@digest`, or the id of an image that no registry knows; `image_id` is
    the engine's own id of it, `image_name` what it was asked for by. `store` is the folder that it has its versions
    from; None is that of the command that asks. `reloading_to` are the models of a reload that was begun and not
    ended: what the server has then is theirs, or still `models`. `slot` is its place behind a gateway, and `gateway`
    that one, once the server is reached through it. `host` is the address that the ports are bound to. `config_lost`
    tells that the directory which the server reads is gone: `models` are those that it started with.
    """

    name: str
    env: str
    engine: str
    release: str
    role: str
    models: tuple[ServedModel, ...]
    endpoints: Endpoints
    rest_port: int
    grpc_port: int
    server_digest: str
    created: str
    running: bool
    pid: int | None
    folder: Path
    image: str = ""
    image_id: str = ""
    image_name: str = ""
    store: Path | None = None
    reloading_to: tuple[ServedModel, ...] | None = None
    slot: str = ""
    gateway: Gateway | None = None
    host: str = ""
    project: str = ""
    config_lost: bool = False

    @property
    def config_note(self) -> str:
        """The note about a server whose run directory is gone; empty where it is there."""
        if not self.config_lost:
            return ""
        return (
            f"{self.folder} is gone, with the record of reloads: {format_models(self.models)} is what "
            f"{self.name} [{self.env}] started with, and it may serve other versions by now; deployer up "
            f"{cli_name(self.name, self.env)} replaces the server"
        )


@dataclass(frozen=True)
class Memory:
    """Bytes that a server uses, that it may use at most, that its machine has free, and that hold parts of files for it
    and can be taken back; None is unknown.
    """

    used: int
    limit: int | None = None
    free: int | None = None
    cached: int = 0
