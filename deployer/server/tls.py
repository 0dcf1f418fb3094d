"""TLS on the gRPC port, as `--ssl_config_file` describes it. REST is always plain, as it is in TensorFlow Serving.

Source: `model_servers/server.cc`.
"""

from __future__ import annotations

from typing import Any

from deployer.server import declared, text_protos
from deployer.server.flags import Options
from deployer.server.status import invalid


def config(options: Options) -> Any:
    """Read the SSLConfig that the flags name; None when they name none. Raises ServingError."""
    path = options.text("ssl_config_file")
    if not path:
        return None
    message = text_protos.read(path, declared.message_class(declared.SSL)())
    if message.client_verify and not message.custom_ca:
        raise invalid(f"'{path}' asks for client certificates and names no custom_ca to verify them")
    return message


def credentials(options: Options) -> Any:
    """Return what the gRPC server shows and asks for; None when it speaks plainly. gRPC starts threads for that."""
    import grpc

    message = config(options)
    if message is None:
        return None
    return grpc.ssl_server_credentials(
        [(message.server_key.encode(), message.server_cert.encode())],
        message.custom_ca.encode() or None,
        message.client_verify,
    )
