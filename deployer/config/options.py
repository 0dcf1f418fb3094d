"""The settings that both the command line and `deployer.toml` have, each declared once: a field with text and default.

The tables of the document inherit these fields, and so does Settings. A field here is a key of the document, a
variable, an option of every command that takes its group, a row of the reference, and a field of Settings.
"""

from __future__ import annotations

import dataclasses
import math
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from deployer.config.fields import Group, doc, option_name, variable_name
from deployer.errors import InvalidValue, UsageError

DEFAULT_RATE = 50.0
"""Requests a second of a change that has a limit on failures or gaps, and no rate."""

MODEL = Group("model", "Model", always=True)
GATE = Group("gate", "Verification")
MEASURE = Group("measure", "Verification")
COMPARISON = Group("comparison", "Verification")
ADDRESS = Group("address", "Server")
CONTAINER = Group("container", "Container")
REPLICAS = Group("replicas", "Server")
FILE = Group("file", "Where", always=True)
PROJECT = Group("project", "Where")
ENGINE = Group("engine", "Where")
STORE = Group("store", "Where")
TEMPLATES = Group("templates", "Where")
LOCK = Group("lock", "Where")
LOCATION = ("config", "project", "state_dir", "engine")
"""The options that choose the project and the engine of a deployment; commands in hints repeat them."""


def _parse_required_signature(texts: list[str]) -> str | None:
    names = [text for text in texts if "=" not in text]
    if len(names) > 1:
        raise UsageError("--signature NAME requires one signature: give it once", hint="--signature NAME=file.py:f")
    return names[0] if names else None


def _parse_added_signatures(texts: list[str]) -> tuple[str, ...]:
    return tuple(text for text in texts if "=" in text)


def _parse_tags(text: str) -> tuple[str, ...]:
    return tuple(sorted({tag for tag in text.split(",") if tag}))


# The base classes have no generated methods: they have no instances, and each set of methods takes a millisecond.
@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class ExportFields:
    """The settings of an export: keys of `[models.NAME]` and options of the commands that export."""

    inputs: tuple[str, ...] = doc(
        "inputs of `serving_default`, each `name:dtype[shape]`", MODEL, names="--input", repeated=True, default=()
    )
    signature: str | None = doc(
        "a signature that the model must have",
        MODEL,
        metavar="NAME[=FILE.py:FUNCTION]",
        help="a signature that the model must have, or one to add from your own code",
        repeated=True,
        parse=_parse_required_signature,
        default=None,
    )
    examples: Path | None = doc(
        "example inputs for the golden set: .json, .jsonl, .npz, .csv, .tfrecord, or a directory of images",
        MODEL,
        default=None,
    )
    trust: bool = doc("let the model file run the code that it carries (Lambda layers)", MODEL, default=False)
    tags: tuple[str, ...] | None = doc(
        "tags of the graph to take from a SavedModel that has several; it is served as `serve`",
        MODEL,
        metavar="TAG,TAG",
        help="tags of the graph to take from a SavedModel that has several; '': none",
        parse=_parse_tags,
        default=None,
    )
    default_signature: str | None = doc(
        "a signature that is served as `serving_default` too", MODEL, metavar="NAME", default=None
    )
    graph_inputs: tuple[str, ...] = doc(
        "inputs of a graph (.pb, .meta), each `name=tensor`",
        MODEL,
        names="--graph-input",
        metavar="NAME=TENSOR",
        repeated=True,
        default=(),
    )
    graph_outputs: tuple[str, ...] = doc(
        "outputs of a graph (.pb, .meta), each `name=tensor`",
        MODEL,
        names="--graph-output",
        metavar="NAME=TENSOR",
        repeated=True,
        default=(),
    )
    signatures: tuple[str, ...] = doc(
        "more signatures, each `name=file.py:function`",
        MODEL,
        names="--signature",
        repeated=True,
        parse=_parse_added_signatures,
        default=(),
    )
    serve_as: tuple[str, ...] = doc(
        "signatures to add that take `examples` (tf.Example messages) or `jpeg` (encoded images)",
        MODEL,
        metavar="examples|jpeg",
        repeated=True,
        default=(),
    )
    warmup: bool | None = doc(
        "make a warm-up file from the golden set; unset: for all but SavedModels that exist",
        MODEL,
        names="--warmup/--no-warmup",
        default=None,
    )
    custom_objects: str | None = doc(
        "classes and functions that a Keras file needs: `FILE.py:NAME` of a dict, a class or a function",
        MODEL,
        metavar="FILE.py:NAME",
        default=None,
    )
    weights: Path | None = doc(
        "weights for the Keras model that `file.py:function` builds", MODEL, metavar="FILE", default=None
    )


@dataclass(frozen=True, init=False, repr=False, eq=False)
class TopLevelOptions:
    """The keys at the top of the document that are options."""

    project: str | None = doc(
        "the project that the deployments belong to; unset: the name of the directory",
        PROJECT,
        names="--project -p",
        metavar="NAME",
        help="the project; unset: deployer.toml's, or the directory's name",
        default=None,
    )
    engine: str | None = doc(
        "what runs the server: auto, docker, embedded or swarm", ENGINE, metavar="ENGINE", default=None
    )
    models_dir: Path | None = doc("the store of model versions", STORE, default=None)
    state_dir: Path | None = doc("the directory of the history and of each deployment's files", PROJECT, default=None)
    templates_dir: Path | None = doc(
        "a directory of your own templates; for the others deployer's are used", TEMPLATES, default=None
    )


@dataclass(frozen=True, init=False, repr=False, eq=False)
class ServerOptions:
    """The keys of `[server]` that are options."""

    host: str | None = doc(
        "address that the ports are bound to; unset: the one that the deployment has, else 127.0.0.1; 0.0.0.0 opens "
        "them to the network",
        ADDRESS,
        default=None,
    )
    rest_port: int | None = doc(
        "REST port; unset: 8501 or, when taken, a free one; 0: any free one; a deployment keeps its port with both",
        ADDRESS,
        default=None,
    )
    grpc_port: int | None = doc(
        "gRPC port; unset: 8500 or, when taken, a free one; 0: any free one; a deployment keeps its port with both",
        ADDRESS,
        default=None,
    )


@dataclass(frozen=True, init=False, repr=False, eq=False)
class GateOptions:
    """The keys of `[gate]` that are options."""

    allow_breaking: bool = doc(
        "let signatures change so that clients of the serving version break", COMPARISON, default=False
    )
    max_slowdown: float | None = doc(
        "fail if the candidate's median latency exceeds TIMES x the serving version's",
        COMPARISON,
        metavar="TIMES",
        default=None,
    )
    measure: float | None = doc(
        "send RATE requests/s to the live endpoint during the deploy and report errors, gaps and latency; unset: "
        f"{DEFAULT_RATE:g} with a limit on failures or gaps, otherwise none",
        MEASURE,
        metavar="RATE",
        default=None,
    )
    max_failures: int | None = doc(
        f"roll back if more than N requests fail, of {DEFAULT_RATE:g}/s unless measure is set",
        MEASURE,
        metavar="N",
        default=None,
    )
    max_gap_ms: float | None = doc(
        f"roll back if no request is answered for MS milliseconds, of {DEFAULT_RATE:g}/s unless measure is set",
        MEASURE,
        names="--max-gap",
        metavar="MS",
        default=None,
    )


@dataclass(frozen=True, init=False, repr=False, eq=False)
class DockerOptions:
    """The keys of `[docker]` that are options."""

    image: str | None = doc("image of the server; pin a tag or a digest", CONTAINER, metavar="NAME", default=None)
    gpus: int | None = doc(
        "number of GPUs; 0: none; -1: all; the image must be one with `-gpu` in its tag",
        CONTAINER,
        metavar="N",
        default=None,
    )
    memory: str | None = doc(
        "memory limit, such as 2g; a server that needs more is killed; 0: no limit",
        CONTAINER,
        metavar="SIZE",
        default=None,
    )
    cpus: float | None = doc("CPUs that a container may use; 0: no limit", CONTAINER, metavar="N", default=None)
    user: str | None = doc(
        "user and group that the server runs as, as numbers", CONTAINER, metavar="UID[:GID]", default=None
    )


@dataclass(frozen=True, init=False, repr=False, eq=False)
class SwarmOptions:
    """The keys of `[swarm]` that are options."""

    replicas: int | None = doc(
        "number of servers on a Docker Swarm; unset: as many as the deployment has, else 1",
        REPLICAS,
        metavar="N",
        default=None,
    )


TABLES: dict[str, type] = {
    "": TopLevelOptions,
    "server": ServerOptions,
    "gate": GateOptions,
    "docker": DockerOptions,
    "swarm": SwarmOptions,
}
RENAMED = {"gate.ready_seconds": "timeout", "gate.skip": "skip_gate"}
"""The fields of Settings for keys that have another name."""


@dataclass(frozen=True)
class Settings(SwarmOptions, DockerOptions, ServerOptions, GateOptions, TopLevelOptions):
    """The options that override `deployer.toml`. None does not override."""

    config: Path | None = doc(
        "configuration file; unset: deployer.toml here, if there is one", FILE, metavar="FILE", default=None
    )
    env: str | None = doc(
        "environment, with its overlay [env.NAME]; unset: DEPLOYER_ENV, or local", FILE, metavar="NAME", default=None
    )
    timeout: float | None = doc("seconds until the models must be available", GATE, metavar="SECONDS", default=None)
    skip_gate: bool = doc("skip verification. Not recommended", GATE, default=False)
    lock_wait: float = doc(
        "seconds to wait for another command on the same deployment", LOCK, metavar="SECONDS", default=0.0
    )

    def __post_init__(self) -> None:
        if not 0.0 <= self.lock_wait < math.inf:
            raise InvalidValue(f"--lock-wait {self.lock_wait} is no number of seconds", hint="0, or more")

    def typed(self, *names: str) -> str:
        """Return the options that set these fields, as typed on the command line, each after a space."""
        given = ((option_name(Settings, name), getattr(self, name)) for name in names)
        return "".join(f" {option} {shlex.quote(str(value))}" for option, value in given if value is not None)

    def typed_anywhere(self, *names: str) -> str:
        """Return the options that set these fields, also those that variables set: for a shell without these."""
        variables = {name: os.environ.get(variable_name(name)) or None for name in names}
        given = {name: variables[name] if getattr(self, name) is None else getattr(self, name) for name in names}
        return "".join(
            f" {option_name(Settings, name)} {shlex.quote(str(value))}" for name, value in given.items() if value
        )

    def overrides(self) -> dict[str, object]:
        """Return the options by their keys in the document; None is one that is not set."""
        same = {
            f"{table}.{field.name}".lstrip("."): getattr(self, field.name)
            for table, kind in TABLES.items()
            for field in dataclasses.fields(kind)
        }
        values = {**same, **{key: getattr(self, name) for key, name in RENAMED.items()}}
        return {key: None if value is False else value for key, value in values.items()}
