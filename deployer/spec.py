"""What is wanted: `deployer.toml` as one typed, frozen document. Defaults, help texts and the schema come from here.

pydantic reads raw documents into these classes (config.py); they do not need it themselves.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from deployer.errors import InvalidValue
from deployer.model import TensorSpec, check_name, check_version

EngineName = Literal["auto", "docker", "embedded"]
RestartPolicy = Literal["no", "on-failure", "always", "unless-stopped"]
IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._/:@-]{0,254}")
SIZE = re.compile(r"[1-9][0-9]{0,15}[bkmgBKMG]?")
HOST = re.compile(r"[a-z]{2,10}://[^\s\x00]{0,255}")
USER = re.compile(r"[0-9]{1,10}(:[0-9]{1,10})?")
USUAL_RATE = 50.0
MAX_RATE = 1000.0
STRICT = {"extra": "forbid"}
LABEL = re.compile(r"[A-Za-z0-9_]{1,64}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,254}")
FLAG = re.compile(r"[a-z][a-z0-9_]*")
OWN_FLAGS = frozenset(
    "port rest_api_port model_name model_base_path model_config_file batching_parameters_file enable_batching "
    "monitoring_config_file allow_version_labels_for_unavailable_models".split()
)


def check_label(name: str) -> str:
    """A name for a version as a URL and a text proto can hold it. Raises InvalidValue."""
    if not LABEL.fullmatch(name):
        raise InvalidValue(f"label {name[:40]!r} is not allowed: 1 to 64 letters, digits and '_'")
    return name


def doc(text: str, **more: Any) -> Any:
    """A field with its help text, which the reference and the schema show."""
    return field(metadata={"doc": text}, **more)


@dataclass(frozen=True)
class ModelSpec:
    """One model of a deployment: `[models.NAME]`."""

    __pydantic_config__: ClassVar[Any] = STRICT

    source: str | None = doc(
        "what `up` exports from: a model file, a SavedModel folder or archive, a graph (.pb, .meta), `file.py:name` or "
        "`package.module:name`; without it the store's versions are deployed",
        default=None,
    )
    versions: tuple[int, ...] = doc("exact versions to serve; empty: the newest in the store", default=())
    labels: dict[str, int] = doc("names for versions, such as `{ stable = 3 }`", default_factory=dict)
    inputs: tuple[str, ...] = doc("inputs of `serving_default`, each `name:dtype[shape]`", default=())
    signature: str | None = doc("a signature that the model must have", default=None)
    examples: Path | None = doc(
        "example inputs for the golden set: .json, .jsonl, .npz, .csv, .tfrecord, or a folder of images", default=None
    )
    trust: bool = doc("let the model file run the code that it carries (Lambda layers)", default=False)
    tags: tuple[str, ...] | None = doc(
        "tags of the graph to take from a SavedModel that has several; it is served as `serve`", default=None
    )
    graph_inputs: tuple[str, ...] = doc("inputs of a graph (.pb, .meta), each `name=tensor`", default=())
    graph_outputs: tuple[str, ...] = doc("outputs of a graph (.pb, .meta), each `name=tensor`", default=())
    signatures: tuple[str, ...] = doc("more signatures, each `name=file.py:function`", default=())
    serve_as: tuple[str, ...] = doc(
        "wrappers beside the raw signature: `examples` takes tf.Example messages, `jpeg` encoded images", default=()
    )
    custom_objects: str | None = doc(
        "classes and functions that a Keras file needs: `file.py:NAME` of a dict, a class or a function", default=None
    )
    weights: Path | None = doc("weights for the Keras model that `file.py:function` builds", default=None)
    default_signature: str | None = doc("a signature that is served as `serving_default` too", default=None)
    warmup: bool | None = doc(
        "make a warm-up file from the golden set; unset: for all but SavedModels that exist",
        default=None,
    )

    def __post_init__(self) -> None:
        for version in (*self.versions, *self.labels.values()):
            check_version(version)
        for label in self.labels:
            check_label(label)
        for text in self.inputs:
            TensorSpec.parse(text)


@dataclass(frozen=True)
class Server:
    """How the model server listens and runs: `[server]`."""

    __pydantic_config__: ClassVar[Any] = STRICT

    host: str = doc("address that the ports are bound to; 0.0.0.0 opens them to the network", default="127.0.0.1")
    rest_port: int | None = doc("REST port; unset: 8501 or, when taken, a free one; 0: any free one", default=None)
    grpc_port: int | None = doc("gRPC port; unset: 8500 or, when taken, a free one; 0: any free one", default=None)
    flags: dict[str, str | int | float | bool] = doc("more flags of tensorflow_model_server", default_factory=dict)

    def __post_init__(self) -> None:
        for port in (self.rest_port, self.grpc_port):
            if port is not None and not 0 <= port <= 65535:
                raise InvalidValue(f"port {port} does not exist: 0 to 65535")
        if self.rest_port and self.rest_port == self.grpc_port:
            raise InvalidValue(f"REST and gRPC cannot share port {self.rest_port}")
        for name in self.flags:
            _check_flag(name)


def _check_flag(name: str) -> None:
    if not FLAG.fullmatch(name):
        raise InvalidValue(
            f"server flag {name[:40]!r} is not a flag name; write it without dashes, as file_system_poll_wait_seconds"
        )
    if name in OWN_FLAGS:
        raise InvalidValue(
            f"server flag {name!r} is set by deployer itself", hint="use the setting for it in deployer.toml"
        )


def _check_variable(name: str, value: str) -> None:
    if not VARIABLE.fullmatch(name) or "\0" in value:
        raise InvalidValue(f"environment variable {name[:40]!r} is no name, or its value none that a process can have")


def _check_positive(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise InvalidValue(f"{name} {value:g} must be above 0 and finite")


def _bytes(size: str | None) -> int | None:
    if size is None:
        return None
    unit = size[-1].lower()
    return int(size) if unit.isdigit() else int(size[:-1]) << 10 * "bkmg".index(unit)


@dataclass(frozen=True)
class Batching:
    """TensorFlow Serving's batching parameters: `[batching]`. Without this table there is no batching."""

    __pydantic_config__: ClassVar[Any] = STRICT

    max_batch_size: int = doc("the largest batch that is run at once", default=32)
    batch_timeout_micros: int = doc("how long a request waits for company, in microseconds", default=1000)
    max_enqueued_batches: int = doc("batches that may wait before requests are refused", default=100)
    num_batch_threads: int = doc("batches run in parallel", default=2)
    allowed_batch_sizes: tuple[int, ...] = doc(
        "sizes that batches are padded to, ascending; the last equals max_batch_size", default=()
    )
    pad_variable_length_inputs: bool = doc("pad inputs of unequal length within a batch", default=False)

    def __post_init__(self) -> None:
        if (
            min(self.max_batch_size, self.max_enqueued_batches, self.num_batch_threads) < 1
            or self.batch_timeout_micros < 0
        ):
            raise InvalidValue("batching sizes and thread counts are at least 1, the time-out at least 0")
        sizes = self.allowed_batch_sizes
        if sizes and (list(sizes) != sorted(set(sizes)) or sizes[0] < 1 or sizes[-1] != self.max_batch_size):
            raise InvalidValue(
                f"allowed_batch_sizes {list(sizes)} must ascend and end with max_batch_size {self.max_batch_size}"
            )

    @property
    def sizes(self) -> tuple[int, ...]:
        """The batch sizes that are run: those allowed, or else the smallest and the largest."""
        return self.allowed_batch_sizes or tuple(sorted({1, self.max_batch_size}))


@dataclass(frozen=True)
class Monitoring:
    """Prometheus metrics on the REST port: `[monitoring]`. Without this table there are none."""

    __pydantic_config__: ClassVar[Any] = STRICT

    enabled: bool = doc("serve metrics", default=True)
    path: str = doc("their path", default="/monitoring/prometheus/metrics")

    def __post_init__(self) -> None:
        if not re.fullmatch(r"/[A-Za-z0-9_./-]{1,200}", self.path):
            raise InvalidValue(
                f"monitoring path {self.path[:60]!r} must start with '/' and hold letters, digits, '_./-'"
            )


@dataclass(frozen=True)
class Gate:
    """What a candidate must pass before it takes traffic: `[gate]`."""

    __pydantic_config__: ClassVar[Any] = STRICT

    relative_tolerance: float | None = doc(
        "allowed relative distance from the golden answers; unset: per dtype", default=None
    )
    absolute_tolerance: float | None = doc(
        "allowed absolute distance from the golden answers; unset: per dtype", default=None
    )
    ready_seconds: float = doc("how long a server may take until its models are available", default=120.0)
    request_seconds: float = doc("how long one request may take", default=30.0)
    skip: bool = doc(
        "ask no golden questions, start no candidate for a change of models: what is broken meets clients first",
        default=False,
    )
    allow_breaking: bool = doc("let signatures change so that clients of the serving version break", default=False)
    check_memory: bool = doc("refuse a change when there is not memory enough for old and new at once", default=True)
    max_slowdown: float | None = doc(
        "how many times the serving version's median time a golden answer may take; unset: not measured", default=None
    )

    measure: float | None = doc(
        "golden requests a second to the public address while a change is made; unset: none, or 50 with a limit below",
        default=None,
    )
    max_failures: int | None = doc("failed requests that a change may cost before it is taken back", default=None)
    max_gap_ms: float | None = doc("milliseconds without an answer before a change is taken back", default=None)

    @property
    def measure_rate(self) -> float | None:
        """Requests a second, or None when nothing is measured."""
        limited = self.max_failures is not None or self.max_gap_ms is not None
        return self.measure or (USUAL_RATE if limited else None)

    def __post_init__(self) -> None:
        for name in ("relative_tolerance", "absolute_tolerance"):
            if not 0 <= (getattr(self, name) or 0) < math.inf:
                raise InvalidValue(f"{name} must be a finite number and not negative")
        for name in ("ready_seconds", "request_seconds"):
            _check_positive(name, getattr(self, name))
        for name in ("max_slowdown", "measure", "max_gap_ms"):
            if getattr(self, name) is not None:
                _check_positive(name, getattr(self, name))
        if self.measure is not None and self.measure > MAX_RATE:
            raise InvalidValue(f"measure {self.measure:g} is more requests a second than this tool sends: {MAX_RATE:g}")
        if self.max_failures is not None and self.max_failures < 0:
            raise InvalidValue(f"max_failures {self.max_failures} must not be negative")


@dataclass(frozen=True)
class Docker:
    """Containers of the Docker engine: `[docker]`."""

    __pydantic_config__: ClassVar[Any] = STRICT

    host: str | None = doc(
        "address of the Docker Engine, such as unix:///run/user/1000/docker.sock; unset: DOCKER_HOST, or the current "
        "docker context",
        default=None,
    )
    image: str = doc("the image; pin a tag or a digest", default="tensorflow/serving:2.20.0")
    platform: str | None = doc("the image's platform, such as linux/amd64", default=None)
    pull_seconds: float = doc("how long a pull may take", default=900.0)
    cpus: float | None = doc("how many CPUs a container may use", default=None)
    memory: str | None = doc("how much memory, such as 2g; more, and it is killed", default=None)
    shm_size: str | None = doc("size of /dev/shm, such as 64m", default=None)
    gpus: int | None = doc("how many GPUs; -1: all", default=None)
    environment: dict[str, str] = doc("environment variables of the server", default_factory=dict)
    user: str = doc("uid:gid that the server runs as", default="65534:65534")
    restart: RestartPolicy = doc("what the engine does when the server ends", default="unless-stopped")

    def __post_init__(self) -> None:
        if self.host is not None and not HOST.fullmatch(self.host):
            raise InvalidValue(f"docker host {self.host[:80]!r} is no address such as unix:///var/run/docker.sock")
        if not IMAGE.fullmatch(self.image):
            raise InvalidValue(f"image {self.image[:80]!r} is not an image name")
        _check_positive("pull_seconds", self.pull_seconds)
        self._check_limits()
        for name, value in self.environment.items():
            _check_variable(name, value)
        if not USER.fullmatch(self.user):
            raise InvalidValue(f"user {self.user[:20]!r} is not of the form uid or uid:gid")
        if self.restart not in get_args(RestartPolicy):
            raise InvalidValue(f"restart: should be one of {', '.join(get_args(RestartPolicy))}, not {self.restart!r}")

    @property
    def memory_bytes(self) -> int | None:
        """The limit as a number; None without one."""
        return _bytes(self.memory)

    def _check_limits(self) -> None:
        if self.cpus is not None:
            _check_positive("cpus", self.cpus)
        for name in ("memory", "shm_size"):
            size = getattr(self, name)
            if size is not None and not SIZE.fullmatch(size):
                raise InvalidValue(f"{name} {size[:20]!r} is not a size such as 512m or 2g")
        if self.gpus is not None and (self.gpus < -1 or self.gpus == 0):
            raise InvalidValue(f"gpus {self.gpus} must be a number above 0, or -1 for all")


@dataclass(frozen=True)
class Gateway:
    """A proxy that holds the ports while servers behind it change, and guards them: `[gateway]`. Docker engine only."""

    __pydantic_config__: ClassVar[Any] = STRICT

    enabled: bool = doc("put a gateway in front of the server", default=False)
    image: str = doc("HAProxy's image, 2.6 or later; pin a tag or a digest", default="haproxy:3.0.5-bookworm")
    drain_seconds: int = doc("how long requests in flight may take to end before their server is stopped", default=30)
    answer_seconds: int = doc("how long a server may take to answer", default=300)
    tls: bool = doc("speak TLS, with `certificate` and `key` or with a certificate of the tool's own", default=False)
    certificate: Path | None = doc("the certificate with its chain, in PEM", default=None)
    key: Path | None = doc("its private key, in PEM, without a passphrase", default=None)
    tokens: Path | None = doc(
        "hashes of the bearer tokens that may ask, one a line, as `deployer token` writes them; unset: anybody may",
        default=None,
    )
    max_body: str | None = doc("the largest request, such as 16m; unset: any", default=None)
    requests_per_second: int | None = doc("how many requests one client address may send; unset: any", default=None)
    max_connections: int = doc("how many clients may be connected at once", default=4096)
    metrics_port: int | None = doc("port on 127.0.0.1 for Prometheus metrics of the gateway", default=None)

    def __post_init__(self) -> None:
        if not IMAGE.fullmatch(self.image):
            raise InvalidValue(f"image {self.image[:80]!r} is not an image name")
        for name, most in GATEWAY_LIMITS.items():
            value = getattr(self, name)
            if value is not None and not 1 <= value <= most:
                raise InvalidValue(f"{name} {value} must be a whole number from 1 to {most}")
        if self.max_body is not None and not SIZE.fullmatch(self.max_body):
            raise InvalidValue(f"max_body {self.max_body[:20]!r} is not a size such as 512k or 16m")
        self._check_certificate()

    @property
    def max_body_bytes(self) -> int | None:
        """The limit as a number; None without one."""
        return _bytes(self.max_body)

    def _check_certificate(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise InvalidValue("certificate and key go together", hint="give both, or neither for one of the tool's")
        if self.certificate is not None and not self.tls:
            raise InvalidValue("a certificate is given, and tls is off", hint="tls = true")


GATEWAY_LIMITS = {
    "drain_seconds": 3600,
    "answer_seconds": 86400,
    "requests_per_second": 10**6,
    "max_connections": 10**5,
    "metrics_port": 65535,
}


@dataclass(frozen=True)
class Spec:
    """The whole document. `[env.NAME]` tables overlay it; `DEPLOYER_*` variables and options win over both."""

    __pydantic_config__: ClassVar[Any] = STRICT

    name: str | None = doc("the deployment's name; unset: the only model's name", default=None)
    env: str = doc("the environment; `--env NAME` also applies the overlay `[env.NAME]`", default="local")
    engine: EngineName = doc("what runs the server", default="auto")
    models_dir: Path = doc("the store of model versions", default=Path("models"))
    state_dir: Path = doc("run folders of embedded servers", default=Path(".deployer"))
    templates_dir: Path | None = doc("templates of your own; those missing there come from deployer", default=None)
    models: dict[str, ModelSpec] = doc("the models to serve together", default_factory=dict)
    server: Server = doc("the model server", default_factory=Server)
    batching: Batching | None = doc("request batching", default=None)
    monitoring: Monitoring | None = doc("metrics", default=None)
    gate: Gate = doc("proof before traffic", default_factory=Gate)
    docker: Docker = doc("containers of the Docker engine", default_factory=Docker)
    gateway: Gateway = doc("what holds and guards the ports of a deployment on Docker", default_factory=Gateway)

    def __post_init__(self) -> None:
        if self.engine not in get_args(EngineName):
            raise InvalidValue(f"engine: should be one of {', '.join(get_args(EngineName))}, not {self.engine!r}")
        for name, what in (
            (self.name, "deployment"),
            (self.env, "environment"),
            *((model, "model") for model in self.models),
        ):
            if name is not None:
                check_name(name, what)

    @property
    def deployment(self) -> str:
        """The deployment's name. Raises InvalidValue when several models leave it open."""
        if self.name is not None:
            return self.name
        if len(self.models) == 1:
            return next(iter(self.models))
        raise InvalidValue("the deployment has no name", hint='write name = "NAME" at the top of deployer.toml')
