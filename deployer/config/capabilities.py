"""What each engine and each rendered form does not support: the one table of settings without an effect.

A setting that is in no row has an effect. LIMITS are refused before anything starts or is written. UNUSED are settings
that describe something else than the engine or form: the document may have them for another one, and options are
refused. Flags of the server have a table of their own, `deployer/server/flag_table.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any

from deployer.config.docker import ARCHITECTURES, Docker, serving_tag
from deployer.config.gate import Gate
from deployer.config.gateway import Gateway
from deployer.config.interpolation import Secret
from deployer.config.origins import Origins
from deployer.config.spec import ModelSpec, Spec
from deployer.config.swarm import DEFAULT_GATEWAYS, EVERY_ADDRESS
from deployer.errors import SettingRefused
from deployer.results.deployment import DEFAULT_ENV

DOCKER, EMBEDDED, SWARM = "docker", "embedded", "swarm"
COMPOSE, DOCKER_RUN, DOCKERFILE, K8S, KSERVE = "compose", "docker-run", "dockerfile", "k8s", "kserve"
ENGINES = (DOCKER, EMBEDDED, SWARM)
CONTAINER_FILES = (COMPOSE, DOCKER_RUN)
MANIFESTS = (K8S, KSERVE)
FORMS = (*CONTAINER_FILES, DOCKERFILE, *MANIFESTS)
OF_A_MODEL = "models.NAME."
OF_A_SERVER = ("source", "versions", "labels")
EXPORT_KEYS = tuple(f"{OF_A_MODEL}{field.name}" for field in fields(ModelSpec) if field.name not in OF_A_SERVER)
IN_MANIFESTS = ("ready_seconds", "request_seconds", "relative_tolerance", "absolute_tolerance")
"""The settings of the gate that probes and the smoke test of a manifest take."""

CHOSEN_ENV = "[env.NAME]"
"""Stands for the table of the chosen environment in a hint."""

UNDER_LOCAL = f"set it under [env.{DEFAULT_ENV}]"
"""A hint for what is in the file for every environment."""


@dataclass(frozen=True)
class Limit:
    """Settings that engines and forms refuse: always, or the `values` that `asks` finds. A key may be a pattern."""

    targets: tuple[str, ...]
    keys: tuple[str, ...]
    reason: str
    hint: str = ""
    values: str = ""
    """The refused values, for the documentation; empty for all."""

    asks: Callable[[Any], bool] | None = None
    """Whether a Spec (for keys of models.NAME: a ModelSpec) has a refused value; None: any value that is set."""

    def has(self, key: str) -> bool:
        """Return whether the row is about a key."""
        return any(fnmatchcase(key, pattern) for pattern in self.keys)


def _platform_has_variant(spec: Spec) -> bool:
    parts = (spec.docker.platform or "").split("/")
    return len(parts) == 3 and ARCHITECTURES[parts[1]] != (parts[2],)


def _request_exceeds_limit(spec: Spec) -> bool:
    return (spec.kubernetes.cpu_request or 0) > (spec.docker.cpus or float("inf"))


def _memory_request_exceeds_limit(spec: Spec) -> bool:
    return (spec.kubernetes.memory_request_bytes or 0) > (spec.docker.memory_bytes or float("inf"))


def _scales_without_request(spec: Spec) -> bool:
    return bool(spec.kubernetes.max_replicas) and not (spec.kubernetes.cpu_request or spec.docker.cpus)


def _values(spec: Spec) -> dict[str, str]:
    """Return the variables of the server whose values are no secrets."""
    return {name: value for name, value in spec.docker.environment.items() if not isinstance(value, Secret)}


LIMITS = (
    Limit(
        (EMBEDDED, *CONTAINER_FILES, *MANIFESTS),
        ("gateway.enabled",),
        "there is no gateway",
        f"gateway.enabled = false under {CHOSEN_ENV} leaves it out there; or deployer up --engine docker, which starts "
        "one (deployer down first moves a deployment there)",
        "true",
        lambda spec: spec.gateway.enabled and spec.engine != SWARM,  # there, it always is
    ),
    Limit(
        (SWARM,),
        ("gateway.enabled",),
        "a gateway spreads the requests over the servers",
        f"take it out, or {UNDER_LOCAL} for another engine",
        "false",
        lambda spec: not spec.gateway.enabled,
    ),
    Limit(
        (SWARM,),
        ("server.host",),
        "a Swarm opens ports on every address of a node",
        f'server.host = "{EVERY_ADDRESS}", or none; gateway.tokens and gateway.tls keep others out',
        f"not {EVERY_ADDRESS}",
        lambda spec: spec.server.host not in (None, EVERY_ADDRESS),
    ),
    Limit(
        (SWARM,),
        ("docker.gpus",),
        "a service gets GPUs as generic resources of the nodes alone, which deployer does not know",
        "--engine docker",
    ),
    Limit(
        (SWARM,),
        ("docker.restart",),
        "a Swarm starts another server in the place of one that ends",
        f"{UNDER_LOCAL}, which is for this machine",
        '"no", "on-failure"',
        lambda spec: spec.docker.restart in ("no", "on-failure"),
    ),
    Limit(
        (SWARM,),
        ("gateway.metrics_port",),
        "a Swarm opens no port on 127.0.0.1 alone",
        "take it out",
    ),
    Limit(
        (SWARM,),
        ("gateway.drain_seconds",),
        "the servers drain, and no gateway is replaced with them",
        "swarm.drain_seconds",
    ),
    Limit(
        (SWARM,),
        ("gateway.requests_per_second",),
        "the routing mesh hides the addresses of clients",
        'swarm.publish = "host"',
        "with swarm.publish = ingress",
        lambda spec: spec.gateway.requests_per_second is not None and spec.swarm.publish == "ingress",
    ),
    Limit(
        (SWARM,),
        ("swarm.gateway_replicas",),
        "with swarm.publish = host, every node that fits has one gateway",
        'swarm.publish = "ingress", or swarm.gateway_constraints, which chooses the nodes',
        "other than 2 with swarm.publish = host",
        lambda spec: spec.swarm.publish == "host" and spec.swarm.gateway_replicas != DEFAULT_GATEWAYS,
    ),
    Limit(
        (SWARM,),
        ("swarm.reserve_cpus",),
        "it is more than the limit docker.cpus",
        "a reservation is at most the limit",
        "more than docker.cpus",
        lambda spec: (spec.swarm.reserve_cpus or 0) > (spec.docker.cpus or float("inf")),
    ),
    Limit(
        (SWARM,),
        ("swarm.reserve_memory",),
        "it is more than the limit docker.memory",
        "a reservation is at most the limit",
        "more than docker.memory",
        lambda spec: (spec.swarm.reserve_memory_bytes or 0) > (spec.docker.memory_bytes or float("inf")),
    ),
    Limit(
        MANIFESTS,
        ("server.host", "server.rest_port", "server.grpc_port"),
        "a manifest has no address of a machine: the Service listens on 8501 (REST) and 8500 (gRPC)",
        f"{UNDER_LOCAL}, which is for this machine",
    ),
    Limit(
        MANIFESTS,
        ("docker.restart",),
        "Kubernetes restarts every server",
        f"{UNDER_LOCAL}, which is for this machine",
        '"no", "on-failure"',
        lambda spec: spec.docker.restart in ("no", "on-failure"),
    ),
    Limit(
        MANIFESTS,
        ("docker.gpus",),
        "a pod asks for a number of GPUs, and cannot ask for all of a node",
        "docker.gpus = 1, or another number",
        "-1",
        lambda spec: spec.docker.gpus == -1,
    ),
    Limit(
        MANIFESTS,
        ("docker.platform",),
        "a node has no label for the variant of its architecture",
        "name the architecture alone, such as linux/arm64",
        "with a variant, except linux/arm64/v8",
        _platform_has_variant,
    ),
    Limit(
        MANIFESTS,
        ("kubernetes.cpu_request",),
        "it is more than the limit docker.cpus",
        "a request is at most the limit",
        "more than docker.cpus",
        _request_exceeds_limit,
    ),
    Limit(
        MANIFESTS,
        ("kubernetes.memory_request",),
        "it is more than the limit docker.memory",
        "a request is at most the limit",
        "more than docker.memory",
        _memory_request_exceeds_limit,
    ),
    Limit(
        MANIFESTS,
        ("kubernetes.max_replicas",),
        "an autoscaler compares the CPU use with a request, and there is none",
        "kubernetes.cpu_request = 1, or docker.cpus",
        "without docker.cpus and cpu_request",
        _scales_without_request,
    ),
    Limit(
        MANIFESTS,
        ("kubernetes.secrets",),
        "docker.environment has a value of the same name",
        "take one of them out",
        "a name of docker.environment, unless its value has a variable",
        lambda spec: not _values(spec).keys().isdisjoint(spec.kubernetes.secrets),
    ),
    Limit(
        MANIFESTS,
        ("docker.environment",),
        "a value with a variable is secret, and a manifest has no secrets",
        'kubernetes.secrets = { NAME = "SECRET/KEY" } takes it from a Secret of the cluster',
        "with variables, unless kubernetes.secrets has the name",
        lambda spec: not spec.docker.environment.keys() <= _values(spec).keys() | spec.kubernetes.secrets.keys(),
    ),
    Limit(
        (K8S,),
        ("kubernetes.service_monitor",),
        "the server has no metrics",
        "add the table [monitoring]",
        "true without [monitoring]",
        lambda spec: spec.kubernetes.service_monitor and not (spec.monitoring and spec.monitoring.enabled),
    ),
    Limit(
        (K8S,),
        ("kubernetes.models_claim",),
        "nothing says how the models reach the cluster",
        'kubernetes.models_claim = "CLAIM" for a volume, or kubernetes.image for an image with the models',
        "unset without kubernetes.image",
        lambda spec: not (spec.kubernetes.models_claim or spec.kubernetes.image),
    ),
    Limit(
        (KSERVE,),
        ("kubernetes.models_claim",),
        "nothing says how the model reaches the cluster",
        'kserve.storage_uri = "s3://BUCKET/PATH", kubernetes.models_claim = "CLAIM", or kubernetes.image',
        "unset without kserve.storage_uri and kubernetes.image",
        lambda spec: not (spec.kubernetes.models_claim or spec.kubernetes.image or spec.kserve.storage_uri),
    ),
    Limit(
        (KSERVE,),
        ("kserve.storage_uri",),
        "another setting says where the model is",
        "take out kubernetes.models_claim and kubernetes.image, or this",
        "with kubernetes.models_claim or image",
        lambda spec: bool(spec.kserve.storage_uri and (spec.kubernetes.models_claim or spec.kubernetes.image)),
    ),
    Limit(
        (KSERVE,),
        ("kserve.runtime",),
        "an image with the model has no runtime of KServe",
        "take it out, or kubernetes.image",
        "with kubernetes.image",
        lambda spec: bool(spec.kserve.runtime and spec.kubernetes.image),
    ),
    Limit(
        (KSERVE,),
        ("models",),
        "an InferenceService has one model",
        "deployer render kserve NAME:VERSION, or render k8s",
        "several models",
        lambda spec: len(spec.models) > 1,
    ),
    Limit(
        (KSERVE,),
        ("models.NAME.versions",),
        "an InferenceService serves one version, the highest in its directory",
        "name one version, or render k8s",
        "several, or one that is not the highest",
        lambda model: len(set(model.versions)) > 1,
    ),
    Limit(
        (KSERVE,),
        ("models.NAME.labels",),
        "an InferenceService serves one version, without labels",
        "render k8s has labels",
        "",
        lambda model: bool(model.labels),
    ),
    Limit(
        (KSERVE,),
        ("batching.*",),
        "the server would read it from a file, and an InferenceService has none",
        "render k8s writes a ConfigMap",
        "",
        lambda spec: spec.batching is not None,
    ),
    Limit(
        (KSERVE,),
        ("monitoring.*",),
        "the server would read it from a file, and an InferenceService has none",
        "render k8s writes a ConfigMap",
        "",
        lambda spec: spec.monitoring is not None and spec.monitoring.enabled,
    ),
    Limit(
        (KSERVE,),
        ("docker.image",),
        "KServe's runtime starts tensorflow/serving",
        'docker.image = "tensorflow/serving:2.20.0", or kubernetes.image for an image with the model',
        "not tensorflow/serving:TAG, without kubernetes.image",
        lambda spec: not spec.kubernetes.image and serving_tag(spec.docker.image) is None,
    ),
    Limit(
        (KSERVE,),
        (
            "kubernetes.host",
            "kubernetes.ingress_class",
            "kubernetes.tls_secret",
            "kubernetes.gateway",
            "kubernetes.service_monitor",
            "kubernetes.smoke_image",
            "kubernetes.drain_seconds",
            "docker.shm_size",
        ),
        "KServe writes the objects of an InferenceService by itself",
        "render k8s honours it",
    ),
)


@dataclass(frozen=True)
class Unused:
    """Settings that describe something which some engines and forms do not have. A key may be a pattern."""

    targets: tuple[str, ...]
    keys: tuple[str, ...]
    reason: str
    hint: str = ""
    """The hint for an option."""

    def has(self, key: str) -> bool:
        """Return whether the row is about a key."""
        return any(fnmatchcase(key, pattern) for pattern in self.keys)


UNUSED = (
    Unused(
        (EMBEDDED,),
        ("docker.*",),
        "its servers run in no container",
        "--engine docker (deployer down first moves a deployment there), or no {options}",
    ),
    Unused(
        (DOCKERFILE,),
        (
            "server.host",
            "server.rest_port",
            "server.grpc_port",
            *(f"docker.{field.name}" for field in fields(Docker) if field.name not in ("image", "user", "host")),
            "gateway.*",
        ),
        "an image has no address, limits and variables: they belong to a deployment",
    ),
    Unused((DOCKER, EMBEDDED, *FORMS), ("image.*",), "it is for image build and the swarm engine"),
    Unused(
        (DOCKER, EMBEDDED, *FORMS),
        ("swarm.*",),
        "it is for services on a Docker Swarm",
        "--engine swarm (deployer down first moves a deployment there), or no {options}",
    ),
    Unused((*ENGINES, *CONTAINER_FILES, DOCKERFILE), ("kubernetes.*",), "it is for render k8s and render kserve"),
    Unused((*ENGINES, *CONTAINER_FILES, DOCKERFILE, K8S), ("kserve.*",), "it is for render kserve"),
    Unused(
        (EMBEDDED, *CONTAINER_FILES, *MANIFESTS),
        tuple(f"gateway.{field.name}" for field in fields(Gateway) if field.name != "enabled"),
        "there is no gateway",
    ),
    Unused(
        (*CONTAINER_FILES, DOCKERFILE, KSERVE),
        ("gate.*",),
        "a file is not verified: deployer smoke verifies what it starts",
    ),
    Unused(
        (K8S,),
        tuple(f"gate.{field.name}" for field in fields(Gate) if field.name not in IN_MANIFESTS),
        "a manifest changes no deployment",
    ),
    Unused(
        (*CONTAINER_FILES, *MANIFESTS), ("docker.pull_seconds",), "the image is pulled by what starts the container"
    ),
    Unused(MANIFESTS, ("docker.host", "engine", "state_dir"), "nothing of it runs on an engine of this machine"),
    Unused((KSERVE,), ("templates_dir",), "an InferenceService has no file that is made of a template"),
    Unused(FORMS, EXPORT_KEYS, "a file has versions of the store, which up and export make"),
)


def check(target: str, spec: Spec, origins: Origins) -> None:
    """Raise SettingRefused for a setting that an engine or a form does not support, with its key or option."""
    for unused in UNUSED:
        options = [option for key, option in origins.options.items() if target in unused.targets and unused.has(key)]
        if options:
            named = " and ".join(options)
            raise SettingRefused(f"{named}: {unused.reason}", hint=unused.hint.format(options=named) or None)
    for limit in LIMITS:
        for key in _refused_keys(limit, spec, origins) if target in limit.targets else ():
            hint = _hint(limit, key, spec, origins)
            raise SettingRefused(f"{_where(key, origins)}: {target}: {limit.reason}", hint=hint or None)


def unused_variables(target: str, origins: Origins) -> Iterator[str]:
    """Yield a notice for the variables that an engine or a form does not use."""
    for unused in UNUSED:
        names = [name for key, name in origins.variables.items() if target in unused.targets and unused.has(key)]
        if names:
            yield f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} not used: {unused.reason}"


def row_of(target: str, key: str) -> Limit | Unused | None:
    """Return why an engine or a form does not support a key, or not every value of it; None if it does."""
    rows: tuple[Limit | Unused, ...] = (*LIMITS, *UNUSED)
    return next((row for row in rows if target in row.targets and row.has(key)), None)


def _refused_keys(limit: Limit, spec: Spec, origins: Origins) -> Iterator[str]:
    for key in limit.keys:
        if limit.asks and key.startswith(OF_A_MODEL):
            yield from (key.replace("NAME", name) for name, model in spec.models.items() if limit.asks(model))
        elif limit.asks(spec) if limit.asks else origins.of(key):
            yield key.removesuffix(".*")


def _hint(limit: Limit, key: str, spec: Spec, origins: Origins) -> str:
    """Return the hint of a row; for a setting that would stay as it is under `[env.local]`, another one."""
    if UNDER_LOCAL not in limit.hint:
        return limit.hint.replace(CHOSEN_ENV, f"[env.{spec.env}]")
    if key in origins.options:
        return f"leave out {origins.options[key]}"
    if key in origins.variables:
        return f"unset {origins.variables[key]}"
    if key not in origins.in_overlay:
        return limit.hint
    if spec.env == DEFAULT_ENV and limit.targets == MANIFESTS:
        return f"--env NAME chooses another environment, and --out DIRECTORY leaves [{origins.overlay}] out"
    return f"take it out of [{origins.overlay}]"


def _where(key: str, origins: Origins) -> str:
    """Return the key, and the option or variable that sets it."""
    origin = origins.options.get(key) or origins.variables.get(key)
    return f"{key} ({origin})" if origin else origins.place(key)
