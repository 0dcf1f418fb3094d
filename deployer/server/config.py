"""Parse ModelServerConfig text protos, with TensorFlow Serving's checks and messages.

Source: `tensorflow_serving/model_servers/server_core.cc`. Needs no TensorFlow.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping

from google.protobuf.message import Message
from tensorflow_serving.config import model_server_config_pb2

from deployer.server import text_protos
from deployer.server.policy import Choice, VersionPolicy
from deployer.server.status import Code, ServingError, invalid

TENSORFLOW = "tensorflow"
_URI = re.compile(r"([a-zA-Z][a-zA-Z0-9.]*)://[^/]*(.*)", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """One model to serve: base path, version policy and labels."""

    name: str
    base_path: str
    policy: VersionPolicy = VersionPolicy()
    labels: tuple[tuple[str, int], ...] = ()
    platform: str = TENSORFLOW
    logs_requests: bool = False

    @property
    def directory(self) -> str:
        """The base path without `file://`. Like TensorFlow, this drops the host and does not decode the rest."""
        uri = _URI.fullmatch(self.base_path)
        return uri[2] if uri else self.base_path


def read_file(path: str) -> Message:
    """Read a ModelServerConfig file. Raises ServingError (NOT_FOUND, INVALID_ARGUMENT)."""
    return text_protos.read(path, model_server_config_pb2.ModelServerConfig())


def single(name: str, base_path: str) -> Message:
    """Return the ModelServerConfig for the one model that the flags name."""
    message = model_server_config_pb2.ModelServerConfig()
    message.model_config_list.config.add(name=name, base_path=base_path, model_platform=TENSORFLOW)
    return message


def models(message: Message, served: Mapping[str, ModelConfig]) -> dict[str, ModelConfig]:
    """Check a ModelServerConfig against the models served now, and return its models by name. Raises ServingError."""
    if message.WhichOneof("config") == "custom_model_config":
        raise ServingError(Code.FAILED_PRECONDITION, "ModelServer does not yet support custom model config.")
    listed = message.model_config_list.config
    _check_names(config.name for config in listed)
    for config in listed:
        _check_base_path(config)
    return {config.name: _model(config, served.get(config.name)) for config in listed}


def _check_names(names: Iterable[str]) -> None:
    names_seen: set[str] = set()
    for name in names:
        if name in names_seen:
            raise invalid(f"Illegal to list model {name} multiple times in config list")
        names_seen.add(name)


def _check_base_path(config: Message) -> None:
    """Reject base paths, also file systems that are not available, for which TensorFlow Serving would wait forever."""
    uri = _URI.fullmatch(config.base_path)
    if not config.base_path.startswith("/") and not uri:
        raise invalid(
            f"Expected model {config.name} to have an absolute path or URI; got base_path()={config.base_path}"
        )
    if uri and uri[1] != "file":
        raise ServingError(
            Code.UNIMPLEMENTED, f"File system scheme '{uri[1]}' not implemented (file: '{config.base_path}')"
        )


def _model(config: Message, previous: ModelConfig | None) -> ModelConfig:
    platform = _platform(config)
    if previous is not None and previous.platform != platform:
        raise invalid(
            f"Illegal to change a model's platform. For model {config.name} platform was {previous.platform} "
            f"and new platform requested is {platform}"
        )
    if platform != TENSORFLOW:
        raise invalid(f"Model {config.name} requests unsupported platform {platform}")
    return ModelConfig(
        name=config.name,
        base_path=config.base_path,
        policy=_policy(config.model_version_policy),
        labels=tuple(sorted(config.version_labels.items())),
        platform=platform,
        logs_requests=config.HasField("logging_config"),
    )


def _platform(config: Message) -> str:
    if not config.model_type:
        if not config.model_platform:
            raise invalid(
                "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
                f"ModelServerConfig::model_platform, model name is {config.name}"
            )
        return str(config.model_platform)
    if config.model_platform:
        raise invalid(
            "Illegal setting both ModelServerConfig::model_type (deprecated) and "
            f"ModelServerConfig::model_platform, model name is {config.name}"
        )
    if config.model_type != model_server_config_pb2.TENSORFLOW:
        raise invalid(f"ModelServerConfig::model_type choice {config.model_type} not supported.")
    return TENSORFLOW


def _policy(message: Message) -> VersionPolicy:
    choice = message.WhichOneof("policy_choice")
    if choice == "all":
        return VersionPolicy(Choice.ALL)
    if choice == "specific":
        return VersionPolicy(Choice.SPECIFIC, versions=frozenset(message.specific.versions))
    return VersionPolicy(Choice.LATEST, number=message.latest.num_versions or 1)
