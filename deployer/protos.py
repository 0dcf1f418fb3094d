"""TensorFlow's and TensorFlow Serving's own message classes, without the seconds that `import tensorflow` costs.

The generated modules of the installed wheels import in a fraction of a second when a bare package stands in for
`tensorflow` meanwhile; it is removed again, so that a later real import finds nothing in its way. Messages that
no wheel ships (batching and monitoring parameters) are declared here, in a pool of their own.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from deployer.errors import ExtraMissing

_import_lock = threading.Lock()


def proto(module: str) -> Any:
    """A generated module by its full name, such as `tensorflow_serving.apis.predict_pb2`."""
    if module in sys.modules:
        return sys.modules[module]
    if module.startswith("tensorflow_serving.config."):
        return importlib.import_module(module)
    with _import_lock, bare_tensorflow():
        return importlib.import_module(module)


@contextmanager
def bare_tensorflow() -> Iterator[None]:
    """While it lasts, parts of TensorFlow can be imported without the package around them."""
    if "tensorflow" in sys.modules:
        yield
        return
    bare = ModuleType("tensorflow")
    bare.__path__ = [str(_tensorflow_folder())]
    sys.modules["tensorflow"] = bare
    try:
        yield
    finally:
        del sys.modules["tensorflow"]


def _tensorflow_folder() -> Path:
    for entry in sys.path:
        folder = Path(entry or ".") / "tensorflow"
        if (folder / "core" / "framework" / "tensor_pb2.py").is_file():
            return folder
    raise ExtraMissing("TensorFlow is not installed in this environment", hint="pip install tensorflow")


def message_class(name: str) -> Any:
    """A message class of `DECLARED`, by its full name, such as `tensorflow.serving.BatchingParameters`."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2

    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(text_format.Parse(DECLARED, descriptor_pb2.FileDescriptorProto()).SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def _wrapped(name: str, number: int, kind: str) -> str:
    message = f".google.protobuf.{kind}Value"
    common = f'name: "{name}" number: {number} label: LABEL_OPTIONAL'
    return f'field {{ {common} type: TYPE_MESSAGE type_name: "{message}" }}'


# Source: session_bundle_config.proto and monitoring_config.proto of TensorFlow Serving; unused fields are left out.
DECLARED = f"""
name: "deployer/declared.proto" package: "tensorflow.serving" syntax: "proto3"
dependency: "google/protobuf/wrappers.proto"
message_type {{
  name: "BatchingParameters"
  {_wrapped("max_batch_size", 1, "Int64")}
  {_wrapped("batch_timeout_micros", 2, "Int64")}
  {_wrapped("max_enqueued_batches", 3, "Int64")}
  {_wrapped("num_batch_threads", 4, "Int64")}
  {_wrapped("thread_pool_name", 5, "String")}
  field {{ name: "allowed_batch_sizes" number: 6 label: LABEL_REPEATED type: TYPE_INT64 }}
  field {{ name: "pad_variable_length_inputs" number: 7 label: LABEL_OPTIONAL type: TYPE_BOOL }}
  {_wrapped("enable_large_batch_splitting", 8, "Bool")}
  {_wrapped("max_execution_batch_size", 9, "Int64")}
}}
message_type {{
  name: "PrometheusConfig"
  field {{ name: "enable" number: 1 label: LABEL_OPTIONAL type: TYPE_BOOL }}
  field {{ name: "path" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING }}
}}
message_type {{
  name: "MonitoringConfig"
  field {{ name: "prometheus_config" number: 1 label: LABEL_OPTIONAL type: TYPE_MESSAGE
          type_name: ".tensorflow.serving.PrometheusConfig" }}
}}
"""
