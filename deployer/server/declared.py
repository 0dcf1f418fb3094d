"""Declare messages that no wheel contains: batching, monitoring and TLS of TensorFlow Serving's config files.

They have a pool of their own, so they cannot clash with generated modules. Needs no TensorFlow. Sources:
`session_bundle_config.proto`, `monitoring_config.proto`, `ssl_config.proto`; unused fields are omitted.
"""

from __future__ import annotations

import functools
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2

BATCHING = "tensorflow.serving.BatchingParameters"
MONITORING = "tensorflow.serving.MonitoringConfig"
SSL = "tensorflow.serving.SSLConfig"


@functools.cache
def message_class(name: str) -> Any:
    """Return a message class declared here by its full name, such as `tensorflow.serving.BatchingParameters`."""
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(text_format.Parse(_SERVING, descriptor_pb2.FileDescriptorProto()).SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def _field(name: str, number: int, kind: str, label: str = "OPTIONAL") -> str:
    return f'field {{ name: "{name}" number: {number} label: LABEL_{label} type: TYPE_{kind} }}'


def _message(name: str, number: int, message: str) -> str:
    common = f'name: "{name}" number: {number} label: LABEL_OPTIONAL'
    return f'field {{ {common} type: TYPE_MESSAGE type_name: "{message}" }}'


def _wrapped(name: str, number: int, kind: str) -> str:
    return _message(name, number, f".google.protobuf.{kind}Value")


_SERVING = f"""
name: "deployer/serving.proto" package: "tensorflow.serving" syntax: "proto3"
dependency: "google/protobuf/wrappers.proto"
message_type {{
  name: "BatchingParameters"
  {_wrapped("max_batch_size", 1, "Int64")}
  {_wrapped("batch_timeout_micros", 2, "Int64")}
  {_wrapped("max_enqueued_batches", 3, "Int64")}
  {_wrapped("num_batch_threads", 4, "Int64")}
  {_wrapped("thread_pool_name", 5, "String")}
  {_field("allowed_batch_sizes", 6, "INT64", "REPEATED")}
  {_field("pad_variable_length_inputs", 7, "BOOL")}
  {_wrapped("enable_large_batch_splitting", 8, "Bool")}
  {_wrapped("max_execution_batch_size", 9, "Int64")}
}}
message_type {{
  name: "PrometheusConfig"
  {_field("enable", 1, "BOOL")}
  {_field("path", 2, "STRING")}
}}
message_type {{
  name: "MonitoringConfig"
  {_message("prometheus_config", 1, ".tensorflow.serving.PrometheusConfig")}
}}
message_type {{
  name: "SSLConfig"
  {_field("server_key", 1, "STRING")}
  {_field("server_cert", 2, "STRING")}
  {_field("custom_ca", 3, "STRING")}
  {_field("client_verify", 4, "BOOL")}
}}
"""
