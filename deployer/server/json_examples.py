"""From JSON to serialized tf.Example messages, and classify and regress answers to JSON.

Source: `tensorflow_serving/util/json_tensor.cc` (classify and regress requests).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deployer.server import json_numbers
from deployer.server.json_in import decode_base64, require_object, signature_name
from deployer.server.json_text import debug, quote, type_name
from deployer.server.runtime import example_pb2, feature_pb2
from deployer.server.status import invalid

Json = Any
_INT64 = 1 << 63


def example_request(document: Json) -> tuple[str, list[bytes]]:
    """Return the signature name and the serialized examples of a classify or regress request."""
    require_object(document)
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
    for name, content in value.items():
        _fill(example.features.feature[name], name, content)
    return bytes(example.SerializeToString())


def _fill(feature: Any, name: str, content: Json) -> None:
    values = content if isinstance(content, list) else [content]
    kinds = [_kind(name, value) for value in values]
    for kind in kinds:
        if kind != kinds[0]:
            raise invalid(f"Unexpected element type in feature: {name} expecting type: {kinds[0]}")
    if kinds:
        feature.CopyFrom(_FEATURES[kinds[0]](values))


def _kind(name: str, value: Json) -> str:
    if isinstance(value, str) or (isinstance(value, dict) and isinstance(value.get("b64"), str)):
        return "string"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise invalid(f"Feature: {name} has element with unexpected JSON type: {type_name(value)}")
    if isinstance(value, int) and value >= _INT64:
        raise invalid(f"Feature: {name} has uint64_t element. Only int64_t is supported.")
    return "int64" if isinstance(value, int) else "float"


def _ints(values: Sequence[int]) -> Any:
    return feature_pb2.Feature(int64_list=feature_pb2.Int64List(value=values))


def _floats(values: Sequence[float]) -> Any:
    with np.errstate(over="ignore"):
        return feature_pb2.Feature(
            float_list=feature_pb2.FloatList(value=np.array(values, np.float64).astype(np.float32))
        )


def _strings(values: Sequence[Json]) -> Any:
    raw = [v.encode("utf-8", "surrogateescape") if isinstance(v, str) else decode_base64(v) for v in values]
    return feature_pb2.Feature(bytes_list=feature_pb2.BytesList(value=raw))


_FEATURES = {"int64": _ints, "float": _floats, "string": _strings}


def regressions(values: Sequence[float]) -> str:
    """Write a regress answer."""
    return f'{{\n    "results": [{", ".join(_numbers(values))}]\n}}'


def classifications(rows: Sequence[Sequence[tuple[str | bytes, float]]]) -> str:
    """Write a classify answer: a list of [label, score] for every example."""
    lines = ", ".join(f"[{', '.join(_pairs(row))}]" for row in rows)
    return f'{{\n    "results": [{lines}\n    ]\n}}'


def _pairs(row: Sequence[tuple[str | bytes, float]]) -> list[str]:
    labels = [label if isinstance(label, str) else label.decode("utf-8", "surrogateescape") for label, _ in row]
    scores = _numbers([score for _, score in row])
    return [f"[{quote(label)}, {score}]" for label, score in zip(labels, scores, strict=True)]


def _numbers(values: Sequence[float]) -> list[str]:
    return json_numbers.texts(np.array(values, np.float32))
