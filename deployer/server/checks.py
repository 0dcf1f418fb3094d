"""Check flags for contradictions and unsupported features before TensorFlow is imported.

Source: `model_servers/server.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from deployer.server import tls
from deployer.server.batching import config as batching_config
from deployer.server.flags import Options
from deployer.server.metrics import monitoring

_PORTS = ("port", "rest_api_port", "public_port", "public_rest_api_port")
_MAX_PORT = 65535
_PARALLELISMS = tuple(f"tensorflow_{what}_parallelism" for what in ("session", "intra_op", "inter_op"))


def check(options: Options) -> None:
    """Raise ValueError or ServingError for flags that contradict each other and for unreadable files."""
    for reason in (*_contradictions(options), *_unsupported(options)):
        raise ValueError(reason)
    batching_config.from_options(options)
    monitoring.path_from_options(options)
    tls.config(options)


def _contradictions(options: Options) -> Iterator[str]:
    for name in _PORTS:
        if not 0 <= options.number(name) <= _MAX_PORT:
            yield f"--{name}={options.number(name)} is not a port: it must be 0 to {_MAX_PORT}."
    if not options.number("port") and not options.text("grpc_socket_path"):
        yield "At least one of server_options.grpc_port or server_options.grpc_socket_path must be set."
    if options.on("use_alts_credentials") and options.text("ssl_config_file"):
        yield "Either use_alts_credentials must be false or ssl_config_file must be empty."
    if not options.text("model_base_path") and not options.text("model_config_file"):
        yield "Both server_options.model_base_path and server_options.model_config_file are empty!"
    if all(options.number(name) > 0 for name in _PARALLELISMS):
        yield (
            "Either configure server_options.tensorflow_session_parallelism or "
            "(server_options.tensorflow_intra_op_parallelism, server_options.tensorflow_inter_op_parallelism) "
            "separately. You cannot configure all."
        )


def _unsupported(options: Options) -> Iterator[str]:
    if options.text("platform_config_file"):
        yield "--platform_config_file asks for what this server cannot do yet; it does not start without it."
    if options.on("use_alts_credentials"):
        yield "--use_alts_credentials asks for what only TensorFlow Serving itself can do."
