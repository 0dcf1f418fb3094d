"""The settings of Kubernetes manifests: `[kubernetes]`, and what only KServe has: `[kserve]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from deployer.config.fields import STRICT, at, check_image, check_positive, check_whole, doc
from deployer.config.sizes import check_size, size_in_bytes
from deployer.errors import InvalidValue

# A name of a Service (RFC 1035) that leaves space for the suffixes of other objects.
NAME = re.compile(r"[a-z]([a-z0-9-]{0,46}[a-z0-9])?")
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(rf"(?=.{{1,253}}\Z){LABEL.pattern}(\.{LABEL.pattern})*")
HOST = re.compile(rf"(?=.{{1,253}}\Z)(\*\.)?{LABEL.pattern}(\.{LABEL.pattern})*")
GATEWAY = re.compile(rf"({LABEL.pattern}/)?{SUBDOMAIN.pattern}")
PATH = re.compile(r"[A-Za-z0-9_.-]{1,100}(/[A-Za-z0-9_.-]{1,100}){0,20}")
SECRET_KEY = re.compile(r"[A-Za-z0-9._-]{1,253}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,254}")
STORAGE_URI = re.compile(r"[a-z][a-z0-9+.-]{0,20}://[A-Za-z0-9_.~/:@%-]{1,500}")
MAX_REPLICAS = 10_000
MAX_DRAIN_SECONDS = 3600
SETTLE_SECONDS = 5
"""The time that a cluster takes to send a stopping pod no more requests."""


@dataclass(frozen=True)
class Kubernetes:
    """Kubernetes manifests, which `deployer render k8s` writes: `[kubernetes]`. `render kserve` takes most of it."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    name: str | None = doc("name of the objects in the cluster; unset: the deployment's name", default=None)
    namespace: str | None = doc("namespace of the objects; unset: the one that `kubectl` chooses", default=None)
    models_claim: str | None = doc(
        "PersistentVolumeClaim with the store, mounted read-only; this or `image` is required", default=None
    )
    models_path: str | None = doc("directory of the store in the claim's volume; unset: its root", default=None)
    image: str | None = doc(
        "image of the server with the models in /models; takes the place of `docker.image`", default=None
    )
    replicas: int = doc("number of servers; the least number with `max_replicas`", default=2)
    max_replicas: int | None = doc(
        "largest number of servers: a HorizontalPodAutoscaler chooses by CPU; unset: no autoscaler", default=None
    )
    target_cpu_percent: int = doc("CPU use that the autoscaler keeps, as a percentage of the request", default=70)
    cpu_request: float | None = doc("CPUs reserved for each server; unset: `docker.cpus`", default=None)
    memory_request: str | None = doc("memory reserved for each server; unset: `docker.memory`", default=None)
    drain_seconds: int = doc(
        "how long a stopping server may wait for its connections to end; the first "
        f"{SETTLE_SECONDS} s always pass, in which the cluster stops sending requests",
        default=30,
    )
    image_pull_secrets: tuple[str, ...] = doc("Secrets with credentials of the registry", default=())
    secrets: dict[str, str] = doc(
        'environment variables of the server from Secrets, such as `{ TOKEN = "SECRET/KEY" }`', default_factory=dict
    )
    host: str | None = doc("host name for clients outside of the cluster; unset: no Ingress and no route", default=None)
    ingress_class: str | None = doc("class of the Ingress; unset: the cluster's default", default=None)
    tls_secret: str | None = doc("Secret with the certificate of the Ingress; unset: no TLS", default=None)
    gateway: str | None = doc(
        "Gateway for an HTTPRoute and a GRPCRoute in the place of an Ingress, as `NAME` or `NAMESPACE/NAME`",
        default=None,
    )
    service_monitor: bool = doc("write a ServiceMonitor for the Prometheus Operator; needs [monitoring]", default=False)
    smoke_image: str | None = doc(
        "image with `deployer`, for a Job that verifies the Service as `deployer smoke` does; unset: no Job",
        default=None,
    )

    def __post_init__(self) -> None:
        _check_names(self)
        for key in ("image", "smoke_image"):
            with at(key):
                _check_image(getattr(self, key))
        check_whole("replicas", self.replicas, 1, MAX_REPLICAS)
        check_whole("target_cpu_percent", self.target_cpu_percent, 1, 1000)
        check_whole("drain_seconds", self.drain_seconds, SETTLE_SECONDS, MAX_DRAIN_SECONDS)
        if self.max_replicas is not None:
            check_whole("max_replicas", self.max_replicas, self.replicas, MAX_REPLICAS)
        if self.cpu_request is not None:
            check_positive("cpu_request", self.cpu_request)
        check_size("kubernetes.memory_request", self.memory_request)
        for name, reference in self.secrets.items():
            with at("secrets", name[:40]):
                _check_secret(name, reference)
        _check_models(self)
        _check_route(self)

    @property
    def memory_request_bytes(self) -> int | None:
        """The memory request in bytes; None if it is not set."""
        return None if self.memory_request is None else size_in_bytes(self.memory_request)


@dataclass(frozen=True)
class KServe:
    """What `deployer render kserve` takes in addition to `[kubernetes]`: `[kserve]`."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    storage_uri: str | None = doc(
        "URI of the directory with the model directories, such as s3://bucket/models; unset: `kubernetes.models_claim`",
        default=None,
    )
    runtime: str | None = doc("ServingRuntime of the predictor; unset: KServe's choice for TensorFlow", default=None)

    def __post_init__(self) -> None:
        _check("storage_uri", self.storage_uri, STORAGE_URI, "s3://bucket/models")
        _check("runtime", self.runtime, SUBDOMAIN, "kserve-tensorflow-serving")


def _check_names(settings: Kubernetes) -> None:
    for key, pattern, example in (
        ("name", NAME, "digits"),
        ("namespace", LABEL, "staging"),
        ("models_claim", SUBDOMAIN, "models"),
        ("models_path", PATH, "team/models"),
        ("host", HOST, "digits.example.com"),
        ("ingress_class", SUBDOMAIN, "nginx"),
        ("tls_secret", SUBDOMAIN, "digits-tls"),
        ("gateway", GATEWAY, "infra/public"),
    ):
        _check(key, getattr(settings, key), pattern, example)
    if settings.models_path is not None and {".", ".."} & set(settings.models_path.split("/")):
        raise InvalidValue("models_path must not have a segment '.' or '..'", key_path=("models_path",))
    for name in settings.image_pull_secrets:
        _check("image_pull_secrets", name, SUBDOMAIN, "registry")


def _check(key: str, value: str | None, pattern: re.Pattern[str], example: str) -> None:
    if value is not None and not pattern.fullmatch(value):
        reason = f"{key} {value[:60]!r} is no name that Kubernetes takes there"
        raise InvalidValue(reason, hint=f'for example {key} = "{example}"', key_path=(key,))


def _check_image(image: str | None) -> None:
    try:
        if image is not None:
            check_image(image)
    except InvalidValue as error:
        error.key_path = ()
        raise


def _check_secret(name: str, reference: str) -> None:
    secret, slash, key = reference.partition("/")
    if not VARIABLE.fullmatch(name):
        raise InvalidValue(f"{name[:40]!r} is not the name of an environment variable")
    if not slash or not SUBDOMAIN.fullmatch(secret) or not SECRET_KEY.fullmatch(key):
        raise InvalidValue(f"{reference[:60]!r} is not of the form SECRET/KEY", hint=f'{name} = "credentials/token"')


def _check_models(settings: Kubernetes) -> None:
    if settings.models_claim is not None and settings.image is not None:
        reason = "the models are in the volume of models_claim or in an image, and not in both"
        raise InvalidValue(reason, hint="take one of them out", key_path=("image",))
    if settings.models_path is not None and settings.models_claim is None:
        raise InvalidValue(
            "models_path has no effect without models_claim", hint='models_claim = "models"', key_path=("models_path",)
        )


def _check_route(settings: Kubernetes) -> None:
    """Refuse settings of an Ingress or a route that have no effect without another one, or exclude each other."""
    for key in ("ingress_class", "tls_secret", "gateway"):
        if getattr(settings, key) is None:
            continue
        if settings.host is None:
            raise InvalidValue(f"{key} has no effect without host", hint='host = "digits.example.com"', key_path=(key,))
        if settings.gateway is not None and key != "gateway":
            reason = f"{key} is a setting of an Ingress, and gateway selects routes in its place"
            raise InvalidValue(reason, hint="take one of them out", key_path=(key,))
