"""The desired state: `deployer.toml` as one frozen value. Defaults, help texts and the schema come from here.

Each table has a module of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, get_args

from deployer.config.docker import Docker, RestartPolicy
from deployer.config.fields import STRICT, at, doc, with_default
from deployer.config.gate import Gate
from deployer.config.gateway import Gateway
from deployer.config.image import Image
from deployer.config.kubernetes import KServe, Kubernetes
from deployer.config.models import ModelSpec, check_label
from deployer.config.options import TopLevelOptions
from deployer.config.project import check_project
from deployer.config.server import Batching, Monitoring, Server
from deployer.config.swarm import Publish, Swarm
from deployer.errors import InvalidValue
from deployer.results.deployment import DEFAULT_ENV
from deployer.results.model import check_name

__all__ = [
    "Batching",
    "Docker",
    "EngineName",
    "Gate",
    "Gateway",
    "Image",
    "KServe",
    "Kubernetes",
    "ModelSpec",
    "Monitoring",
    "Publish",
    "RestartPolicy",
    "Server",
    "Spec",
    "Swarm",
    "check_label",
]

EngineName = Literal["auto", "docker", "embedded", "swarm"]
SWARM = "swarm"


@dataclass(frozen=True)
class Spec(TopLevelOptions):
    """The whole document. `[env.NAME]` tables overlay it; `DEPLOYER_*` variables and options win over both."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    name: str | None = doc("the deployment's name; unset: the only model's name", default=None)
    env: str = doc("the environment, whose overlay `[env.NAME]` applies", default=DEFAULT_ENV)
    engine: EngineName = with_default(TopLevelOptions, "engine", "auto")
    models_dir: Path = with_default(TopLevelOptions, "models_dir", Path("models"))
    state_dir: Path = with_default(TopLevelOptions, "state_dir", Path(".deployer"))
    env_file: Path | None = doc(
        "file with `NAME=value` lines: variables for `${NAME}` in this file; those of the environment win", default=None
    )
    models: dict[str, ModelSpec] = doc("the models to serve together", default_factory=dict)
    server: Server = doc("the model server", default_factory=Server)
    batching: Batching | None = doc("request batching", default=None)
    monitoring: Monitoring | None = doc("metrics", default=None)
    gate: Gate = doc("verification before a server takes traffic", default_factory=Gate)
    docker: Docker = doc("containers of the Docker engine", default_factory=Docker)
    image: Image = doc("images with the models inside", default_factory=Image)
    gateway: Gateway = doc(
        "the proxy that holds the ports of a deployment on Docker or a Swarm", default_factory=Gateway
    )
    swarm: Swarm = doc("services on a Docker Swarm", default_factory=Swarm)
    kubernetes: Kubernetes = doc("Kubernetes manifests", default_factory=Kubernetes)
    kserve: KServe = doc("KServe", default_factory=KServe)

    def __post_init__(self) -> None:
        if self.engine not in get_args(EngineName):
            reason = f"engine: should be one of {', '.join(get_args(EngineName))}, not {self.engine!r}"
            raise InvalidValue(reason, key_path=("engine",))
        if self.project is not None:
            with at("project"):
                check_project(self.project)
        for key, name, what in (
            ("name", self.name, "deployment"),
            ("env", self.env, "environment"),
            *(("models", model, "model") for model in self.models),
        ):
            if name is not None:
                with at(key):
                    check_name(name, what)

    @property
    def deployment(self) -> str:
        """The deployment's name, by default that of its only model. Raises InvalidValue without a name."""
        if self.name is not None:
            return self.name
        if len(self.models) == 1:
            return next(iter(self.models))
        raise InvalidValue("the deployment has no name", hint='write name = "NAME" at the top of deployer.toml')
