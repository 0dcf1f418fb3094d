"""Convert JSON to serialized tf.Example messages, and classify and regress results to JSON.

Source: `tensorflow_serving/util/json_tensor.cc` (classify and regress requests).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deployer.server.dtypes import FLOAT
from deployer.server.rest import json_numbers
from deployer.server.rest.json_in import decode_base64, floats, is_base64, signature_name
from deployer.server.rest.json_read import c_name, members
from deployer.server.rest.json_text import debug, is_text, quote, type_name
from deployer.server.runtime import example_pb2, feature_pb2
from deployer.server.status import invalid

Json = Any
_INT64 = 1 << 63


def example_request(document: Json) -> tuple[str, list[bytes]]:
    """Return the signature name and the serialized examples of a classify or regress request."""
    name = signature_name(document)
    context = _example(document["context"]) if "context" in document else b""
    return name, [context + _example(example) for example in _listed(document)]


def _listed(document: Mapping[str, Json]) -> Sequence[Json]:
    if "examples" not in document:
        raise invalid(f"{debug(document)} When method is classify, key 'examples' is expected and was not found")
    examples: Sequence[Json] = document["examples"]
    if not isinstance(examples, list):
        raise invalid(f"{debug(document)} Expecting 'examples' value to be an list/array")
    if not examples:
        raise invalid(f"{debug(document)} 'examples' value is an empty array")
    return examples


def _example(value: Json) -> bytes:
    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {type_name(value)}")
    example = example_pb2.Example()
    for member, content in members(value):
        name = c_name(member)
        feature = _feature(name, content)
        if is_text(name):
            example.features.feature[name].CopyFrom(feature)
    return bytes(example.SerializeToString())


def _feature(name: str, content: Json) -> Any:
    """Return the feature of a value or a list; its first value determines the kind."""
    values = content if isinstance(content, list) else [content]
    first: str | None = None
    for value in values:
        kind = _kind(name, value)
        if first not in (None, kind):
            raise invalid(f"Unexpected element type in feature: {name} expecting type: {first}")
        first = _checked(name, value, kind)
    return _FEATURES[first](values) if first else feature_pb2.Feature()


def _kind(name: str, value: Json) -> str:
    if isinstance(value, str) or (isinstance(value, dict) and is_base64(value)):
        return "bytes"
    if not isinstance(value, (int, float)):
        raise invalid(f"Feature: {name} has element with unexpected JSON type: {type_name(value)}")
    return "float" if isinstance(value, float) else "int64"


def _checked(name: str, value: Json, kind: str) -> str:
    if kind == "int64" and value >= _INT64:
        raise invalid(f"Feature: {name} has uint64_t element. Only int64_t is supported.")
    if isinstance(value, dict):
        decode_base64(value)
    return kind


def _ints(values: Sequence[int]) -> Any:
    return feature_pb2.Feature(int64_list=feature_pb2.Int64List(value=map(int, values)))


def _floats(values: Sequence[float]) -> Any:
    return feature_pb2.Feature(float_list=feature_pb2.FloatList(value=floats(values, FLOAT)))


def _strings(values: Sequence[Json]) -> Any:
    raw = [v.encode("utf-8", "surrogateescape") if isinstance(v, str) else decode_base64(v) for v in values]
    return feature_pb2.Feature(bytes_list=feature_pb2.BytesList(value=raw))


_FEATURES = {"int64": _ints, "float": _floats, "bytes": _strings}


def regressions(values: Sequence[float]) -> str:
    """Return the JSON of a regress response."""
    return f'{{\n    "results": [{", ".join(_numbers(values))}]\n}}'


def classifications(rows: Sequence[Sequence[tuple[str | bytes, float]]]) -> str:
    """Return the JSON of a classify response: a list of [label, score] for every example."""
    lines = ", ".join(f"[{', '.join(_pairs(row))}]" for row in rows)
    return f'{{\n    "results": [{lines}\n    ]\n}}'


def _pairs(row: Sequence[tuple[str | bytes, float]]) -> list[str]:
    labels = [label if isinstance(label, str) else label.decode("utf-8", "surrogateescape") for label, _ in row]
    scores = _numbers([score for _, score in row])
    return [f"[{quote(label)}, {score}]" for label, score in zip(labels, scores, strict=True)]


def _numbers(values: Sequence[float]) -> list[str]:
    return json_numbers.texts(np.array(values, np.float32))
