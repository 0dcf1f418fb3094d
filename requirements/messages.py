"""Writes `deployer/savedmodel/messages.binpb`: the messages that the tool needs, from the installed packages.

    python requirements/messages.py

A FileDescriptorSet of the modules below and of all that they depend on, dependencies first.
"""

from __future__ import annotations

from importlib import import_module

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from deployer.savedmodel.message_pool import DESCRIPTORS

MODULES = (
    "tensorflow.core.example.example_pb2",
    "tensorflow.core.protobuf.fingerprint_pb2",
    "tensorflow.core.protobuf.saved_model_pb2",
    "tensorflow_serving.apis.classification_pb2",
    "tensorflow_serving.apis.get_model_metadata_pb2",
    "tensorflow_serving.apis.get_model_status_pb2",
    "tensorflow_serving.apis.model_management_pb2",
    "tensorflow_serving.apis.predict_pb2",
    "tensorflow_serving.apis.prediction_log_pb2",
    "tensorflow_serving.apis.regression_pb2",
    "tensorflow_serving.config.model_server_config_pb2",
)


def descriptors() -> bytes:
    """Return the serialized FileDescriptorSet."""
    found: dict[str, FileDescriptor] = {}
    for module in MODULES:
        _add(import_module(module).DESCRIPTOR, found)
    files = [FileDescriptorProto.FromString(each.serialized_pb) for each in found.values()]
    return FileDescriptorSet(file=files).SerializeToString(deterministic=True)


def _add(file: FileDescriptor, found: dict[str, FileDescriptor]) -> None:
    for dependency in file.dependencies:
        if dependency.name not in found:
            _add(dependency, found)
    found.setdefault(file.name, file)


if __name__ == "__main__":
    DESCRIPTORS.write_bytes(descriptors())
