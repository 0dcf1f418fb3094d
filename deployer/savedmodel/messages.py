"""TensorFlow's and TensorFlow Serving's protobuf messages, without TensorFlow.

Their descriptors are in `messages.binpb`, which `requirements/messages.py` writes from the installed packages. They
have a pool of their own: a later `import tensorflow` registers its own messages without a clash. A message of this pool
becomes one of TensorFlow's, and the other way round, as bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

DESCRIPTORS = Path(__file__).with_name("messages.binpb")


def _pool() -> DescriptorPool:
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


POOL = _pool()


def message_class(name: str) -> Any:
    """Return a message class by its full name, such as `tensorflow.serving.PredictRequest`."""
    return GetMessageClass(POOL.FindMessageTypeByName(name))


def data_types() -> EnumDescriptor:
    """Return the descriptor of `tensorflow.DataType`, which has the values by name and by number."""
    return POOL.FindEnumTypeByName("tensorflow.DataType")
