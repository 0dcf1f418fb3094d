"""Model metadata for both APIs.

Source: `get_model_metadata_impl.cc`.
"""

from __future__ import annotations

from google.protobuf.message import Message

from deployer.server.runtime import get_model_metadata_pb2
from deployer.server.servable import Model


def signature_map(model: Model) -> Message:
    """Return the SignatureDefMap of a version."""
    signatures = get_model_metadata_pb2.SignatureDefMap()
    for name, signature in model.signatures.items():
        signatures.signature_def[name].CopyFrom(signature.proto)
    return signatures
