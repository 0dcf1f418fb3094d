"""When two answers count as the same: the recorded one of TensorFlow Serving, and ours."""

from __future__ import annotations

import base64
import http.client
import json
import math
import re
import sys
from typing import Any

import grpc
from contract.server.server_process import HOST, ServerProcess
from google.protobuf import json_format

from deployer.savedmodel.message_pool import POOL
from deployer.savedmodel.messages import message_class
from deployer.server.tensors import to_array

TOLERANCE = 1e-6
SMALLEST = sys.float_info.min
NOT_JSON = object()
_OFFSET = re.compile(r" at offset: \d+$")
_FRACTION = re.compile(r"-?\d+(?:\.\d+(?:e[+-]?\d+)?|e[+-]?\d+)")
_METHODS = {
    "Predict": ("PredictRequest", "PredictResponse"),
    "Classify": ("ClassificationRequest", "ClassificationResponse"),
    "Regress": ("RegressionRequest", "RegressionResponse"),
    "MultiInference": ("MultiInferenceRequest", "MultiInferenceResponse"),
    "GetModelMetadata": ("GetModelMetadataRequest", "GetModelMetadataResponse"),
    "GetModelStatus": ("GetModelStatusRequest", "GetModelStatusResponse"),
    "HandleReloadConfigRequest": ("ReloadConfigRequest", "ReloadConfigResponse"),
}


def same(a: Any, b: Any) -> bool:
    """Compare JSON values; numbers may differ by a millionth, also those in texts, whole numbers not at all."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=TOLERANCE)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return bool(a == b) or (isinstance(a, str) and isinstance(b, str) and _texts_same(a, b))


def _texts_same(a: str, b: str) -> bool:
    """Compare texts without a parser's offsets; fractions by value, of which those too small to be normal are zero."""
    a, b = (_OFFSET.sub("", text) for text in (a, b))
    found, wanted = _FRACTION.findall(a), _FRACTION.findall(b)
    pairs = zip(map(float, found), map(float, wanted), strict=False)
    alike = all(math.isclose(x, y, rel_tol=TOLERANCE, abs_tol=SMALLEST) for x, y in pairs)
    return alike and _FRACTION.sub("0.0", a) == _FRACTION.sub("0.0", b)


def error_same(rule: dict[str, str], text: str) -> bool:
    """Compare an error text, whole or its beginning, once runs of white space are folded."""
    folded = re.sub(r"\s+", " ", text).strip()
    if "equal" in rule:
        return re.sub(r"\s+", " ", rule["equal"]).strip() == folded
    return folded.startswith(re.sub(r"\s+", " ", rule["prefix"]).strip())


def parsed(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8", "surrogateescape"))
    except ValueError:
        return NOT_JSON


def rest_fault(server: ServerProcess, case: dict[str, Any]) -> str | None:
    """Ask a recorded REST request; None when the answer is the recorded one."""
    status, media, data = _ask(server, case["request"])
    want = case["expect"]
    wanted = base64.b64decode(want["body_b64"]) if "body_b64" in want else want["body"].encode()
    if status != want["status"]:
        return f"status {status}, not {want['status']}: {data[:300]!r}"
    if wanted and media != want["content_type"].split(";")[0]:
        return f"media type {media}, not {want['content_type']}"
    return None if _body_same(want, wanted, data) else f"{data[:500]!r}, not {wanted[:500]!r}"


def _ask(server: ServerProcess, request: dict[str, Any]) -> tuple[int, str, bytes]:
    body = base64.b64decode(request["body_b64"]) if "body_b64" in request else request.get("body")
    connection = http.client.HTTPConnection(HOST, server.rest_port, timeout=60)
    try:
        data = body.encode() if isinstance(body, str) else body
        connection.request(request["method"], request["path"], body=data, headers=request.get("headers", {}))
        answer = connection.getresponse()
        return answer.status, (answer.getheader("Content-Type") or "").split(";")[0], answer.read()
    finally:
        connection.close()


def _body_same(want: dict[str, Any], wanted: bytes, data: bytes) -> bool:
    got, expected = parsed(data), parsed(wanted)
    if "error_match" in want:
        return isinstance(got, dict) and got.keys() == {"error"} and error_same(want["error_match"], got["error"])
    return wanted == data if expected is NOT_JSON else same(got, expected)


def grpc_fault(server: ServerProcess, case: dict[str, Any]) -> str | None:
    """Ask a recorded gRPC request; None when the answer is the recorded one."""
    names = _METHODS[case["method"].rpartition("/")[2]]
    request_type, response_type = (message_class(f"tensorflow.serving.{name}") for name in names)
    request = json_format.ParseDict(case["request"], request_type(), descriptor_pool=POOL)
    want = case["expect"]
    try:
        response = server.call(case["method"], request, response_type)
    except grpc.RpcError as error:
        told = f"{error.code().name}: {error.details()}"
        ok = want.get("code") == error.code().name and error_same(want["details"], error.details())
        return None if ok else f"{told}, not {want}"
    if "code" in want:
        return f"answered, where {want} was due"
    recorded = json_format.ParseDict(want["response"], response_type(), descriptor_pool=POOL)
    got, expected = _values(response), _values(recorded)
    return None if same(got, expected) else f"{str(got)[:500]}, not {str(expected)[:500]}"


def _values(message: Any) -> Any:
    return _tensors(json_format.MessageToDict(message, preserving_proto_field_name=True, descriptor_pool=POOL))


def _tensors(node: Any) -> Any:
    """Turn every TensorProto in a tree into its dtype, shape and values."""
    if isinstance(node, list):
        return [_tensors(each) for each in node]
    if not isinstance(node, dict):
        return node
    if "dtype" not in node or "tensor_shape" not in node or "name" in node:
        return {key: _tensors(value) for key, value in node.items()}
    tensor = json_format.ParseDict(node, message_class("tensorflow.TensorProto")())
    array = to_array(tensor)
    return {"dtype": node["dtype"], "shape": list(array.shape), "values": array.astype(object).ravel().tolist()}
