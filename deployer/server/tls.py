"""TLS on the gRPC port (`--ssl_config_file`). REST is always plain text, as in TensorFlow Serving.

Source: `model_servers/server.cc`.
"""

from __future__ import annotations

from typing import Any

from deployer.server import declared, text_protos
from deployer.server.flags import Options
from deployer.server.status import invalid


def config(options: Options) -> Any:
    """Return the SSLConfig that the flags name, or None. Raises ServingError."""
    path = options.text("ssl_config_file")
    if not path:
        return None
    message = text_protos.read(path, declared.message_class(declared.SSL)())
    if message.client_verify and not message.custom_ca:
        raise invalid(f"'{path}' asks for client certificates and names no custom_ca to verify them")
    return message


def credentials(options: Options) -> Any:
    """Return the gRPC server's credentials; None for plain text. gRPC starts threads for them."""
    import grpc

    message = config(options)
    if message is None:
        return None
    return grpc.ssl_server_credentials(
        [(message.server_key.encode(), message.server_cert.encode())],
        message.custom_ca.encode() or None,
        message.client_verify,
    )
