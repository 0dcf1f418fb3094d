"""TensorFlow's and TensorFlow Serving's protobuf messages, without TensorFlow.

Their descriptors are in `messages.binpb`, which `requirements/messages.py` writes from the installed packages. They
have a pool of their own: a later `import tensorflow` registers its own messages without a clash. A message of this pool
becomes one of TensorFlow's, and the other way round, as bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor


def message_class(name: str) -> Any:
    """Return a message class by its full name, such as `tensorflow.serving.PredictRequest`."""
    from google.protobuf.message_factory import GetMessageClass

    from deployer.savedmodel.message_pool import POOL

    return GetMessageClass(POOL.FindMessageTypeByName(name))


def data_types() -> EnumDescriptor:
    """Return the descriptor of `tensorflow.DataType`, which has the values by name and by number."""
    from deployer.savedmodel.message_pool import POOL

    return POOL.FindEnumTypeByName("tensorflow.DataType")
