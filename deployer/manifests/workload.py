"""What the manifests of a deployment are made of: one frozen value, from the settings and the models of the store."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deployer.config.kubernetes import NAME, Kubernetes
from deployer.config.spec import Docker, Gate, Spec
from deployer.engines.docker.container_spec import server_arguments
from deployer.errors import SettingRefused
from deployer.manifests import scripts
from deployer.manifests.documents import check_text
from deployer.results.deployment import GRPC_PORT, REST_PORT
from deployer.results.launch import Launch
from deployer.results.served import ResolvedModel, ServedModel, models_text

SMOKE_CONFIG = "deployer.toml"
# A ConfigMap holds 1 MiB, and the API server's limit counts the whole object.
MAX_CONFIG_BYTES = 1_000_000
DIGEST_DIGITS = 10


@dataclass(frozen=True)
class Workload:
    """The model server of a deployment, as its manifests describe it."""

    name: str
    project: str
    models: tuple[ServedModel, ...]
    model_bytes: int
    """The size of all versions on disk."""

    arguments: tuple[str, ...]
    config: Mapping[str, str]
    """The files of the ConfigMap by name."""

    docker: Docker
    gate: Gate
    settings: Kubernetes
    metrics_path: str | None

    @property
    def image(self) -> str:
        """The image of the server."""
        return self.settings.image or self.docker.image

    @property
    def selector(self) -> dict[str, str]:
        """The labels of the server's pods. They never change: a Deployment's selector is immutable."""
        return {
            "app.kubernetes.io/name": "tensorflow-serving",
            "app.kubernetes.io/instance": self.name,
            "app.kubernetes.io/component": "model-server",
        }

    @property
    def labels(self) -> dict[str, str]:
        """The labels of every object."""
        return self.labels_of("model-server")

    def labels_of(self, component: str) -> dict[str, str]:
        """Return the labels of an object of another component."""
        return {
            **self.selector,
            "app.kubernetes.io/component": component,
            "app.kubernetes.io/part-of": self.project,
            "app.kubernetes.io/managed-by": "deployer",
        }

    @property
    def annotations(self) -> dict[str, str]:
        """The models, versions, labels and digests."""
        return {"deployer.models": models_text(self.models)}

    @property
    def config_name(self) -> str:
        """The name of the ConfigMap, with a digest.

        Another configuration is another object: pods are replaced, and a rollback of the Deployment returns to the old
        one.
        """
        return f"{self.name}-config-{digest(dict(self.config))}"


def workload(spec: Spec, launch: Launch, models: Sequence[ResolvedModel]) -> Workload:
    """Return the value for a launch. Raises SettingRefused for what no manifest can hold."""
    settings = spec.kubernetes
    served = tuple(each.served for each in models)
    config = {
        **launch.rendered.files,
        **scripts.render(served, settings.drain_seconds, spec.templates_dir),
    }
    if settings.smoke_image:
        config[SMOKE_CONFIG] = _smoke_config(object_name(spec), served, spec.gate)
    _check_size(config)
    return Workload(
        name=object_name(spec),
        project=_project(spec),
        models=served,
        model_bytes=sum(model.info.size_bytes for each in models for model in each.models),
        arguments=(f"--port={GRPC_PORT}", f"--rest_api_port={REST_PORT}", *server_arguments(launch)),
        config=config,
        docker=spec.docker,
        gate=spec.gate,
        settings=settings,
        metrics_path=spec.monitoring.path if spec.monitoring and spec.monitoring.enabled else None,
    )


def object_name(spec: Spec) -> str:
    """Return the name of the objects. Raises SettingRefused for a deployment's name that no Service can have."""
    name = spec.kubernetes.name or spec.deployment
    if NAME.fullmatch(name):
        return name
    allowed = re.sub("[^a-z0-9]", "-", name.lower()).lstrip("-0123456789")[:48].rstrip("-")
    raise SettingRefused(
        f"kubernetes.name: {name} cannot be the name of a Service: lower case letters, digits and '-', at most 48, the "
        "first a letter",
        hint=f'kubernetes.name = "{allowed or "model"}"',
    )


def digest(value: object) -> str:
    """Return a short digest of plain data, for names."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:DIGEST_DIGITS]


def _project(spec: Spec) -> str:
    project = spec.project or "default"
    if not project[-1].isalnum():
        raise SettingRefused(
            f"project: {project} cannot be the value of a label: it ends with {project[-1]!r}",
            hint=f"--project {project.rstrip('_-')}",
        )
    return project


def _smoke_config(name: str, models: Sequence[ServedModel], gate: Gate) -> str:
    """Return the deployer.toml of the smoke test: the exact versions, and how much answers may differ."""
    limits = {
        "relative_tolerance": gate.relative_tolerance,
        "absolute_tolerance": gate.absolute_tolerance,
        "request_seconds": gate.request_seconds,
    }
    lines = [f'name = "{name}"', 'models_dir = "/models"', 'state_dir = "/tmp/deployer"', "[gate]"]
    lines += [f"{key} = {value!r}" for key, value in limits.items() if value is not None]
    for model in models:
        lines += [f'[models."{model.name}"]', f"versions = {list(model.versions)}"]
    return "\n".join(lines) + "\n"


def _check_size(config: Mapping[str, str]) -> None:
    for name, text in config.items():
        check_text(name, text)
    size = sum(len(text.encode()) for text in config.values())
    if size > MAX_CONFIG_BYTES:
        raise SettingRefused(
            f"models: the server's configuration has {size} bytes, and a ConfigMap holds {MAX_CONFIG_BYTES}",
            hint="divide the models among several deployments",
        )
