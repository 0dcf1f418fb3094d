"""Import TensorFlow's runtime and messages without the rest of the package, which saves seconds at every start.

`import tensorflow` loads Keras, the dataset and distribution APIs and their dependencies. A server needs the Session,
the loader and the messages, which import on their own if an empty package replaces `tensorflow`. It stays in place:
this process is only a server. Import this module before any other of TensorFlow's.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from types import ModuleType


def _install_placeholder() -> None:
    if "tensorflow" in sys.modules:
        return
    spec = PathFinder.find_spec("tensorflow")
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")
    placeholder = ModuleType("tensorflow")
    placeholder.__path__ = list(spec.submodule_search_locations)
    placeholder.__file__ = spec.origin
    placeholder.__spec__ = spec
    sys.modules["tensorflow"] = placeholder


_install_placeholder()

from google.protobuf.message import DecodeError  # noqa: E402
from tensorflow.core.example import example_pb2, feature_pb2  # noqa: E402
from tensorflow.core.protobuf import config_pb2  # noqa: E402
from tensorflow.python.client.session import Session  # noqa: E402
from tensorflow.python.framework.errors import OpError  # noqa: E402
from tensorflow.python.framework.ops import Graph  # noqa: E402
from tensorflow.python.lib.io.tf_record import tf_record_iterator  # noqa: E402
from tensorflow.python.saved_model.loader_impl import SavedModelLoader  # noqa: E402
from tensorflow_serving.apis import (  # noqa: E402
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    prediction_log_pb2,
    regression_pb2,
)

__all__ = [
    "DecodeError",
    "Graph",
    "OpError",
    "SavedModelLoader",
    "Session",
    "classification_pb2",
    "config_pb2",
    "example_pb2",
    "feature_pb2",
    "get_model_metadata_pb2",
    "get_model_status_pb2",
    "inference_pb2",
    "model_management_pb2",
    "predict_pb2",
    "prediction_log_pb2",
    "regression_pb2",
    "tf_record_iterator",
]
