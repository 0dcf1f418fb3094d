"""Send golden requests to a server over one of its APIs, and compare its answers with TensorFlow's."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from deployer.client import encoding, tf_examples
from deployer.client.client import Client
from deployer.client.encoding import ModelTarget
from deployer.errors import RequestFailed
from deployer.results.model import Model, Signature
from deployer.savedmodel.messages import message_class
from deployer.savedmodel.tensors import REST_UNSUPPORTED
from deployer.verification import golden
from deployer.verification.golden import GoldenCase, Tolerance

if TYPE_CHECKING:
    from deployer.savedmodel.tensors import Array

Ask = Callable[[GoldenCase], "Mapping[str, Array]"]


class ParityError(Exception):
    """A failed check, with the reason as text."""


def rest(client: Client, model: Model) -> Ask:
    """Return a function that sends golden requests to a version over REST."""
    return lambda case: ask_rest(client, model, model.version, case)


def grpc(client: Client, model: Model) -> Ask:
    """Return a function that sends golden requests to a version over gRPC."""
    return lambda case: ask_grpc(client, model, model.version, case)[1]


def ask_rest(client: Client, model: Model, version: int | str | None, case: GoldenCase) -> Mapping[str, Array]:
    """Return a server's answer over REST, from the given version or label, or from the one that the server chooses."""
    question = ModelTarget(model.name, version, case.signature)
    if case.method != tf_examples.PREDICT:
        return client.examples_rest(question, case.method, examples(case))
    return _as_empty(client.predict_rest(question, case.inputs, declared(model, case).outputs), case)


def ask_grpc(
    client: Client, model: Model, version: int | str | None, case: GoldenCase
) -> tuple[int, Mapping[str, Array]]:
    """Return the version that answered over gRPC, and its answer."""
    question = ModelTarget(model.name, version, case.signature)
    if case.method != tf_examples.PREDICT:
        return client.examples_grpc(question, case.method, examples(case))
    return client.predict_grpc(question, case.inputs)


def read_rest(model: Model, case: GoldenCase, body: bytes) -> Mapping[str, Array]:
    """Return the arrays of an answer over REST to a golden request. Raises RequestFailed, MalformedTensor."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestFailed(f"the answer is not JSON: {error}") from error
    outputs = declared(model, case).outputs if case.method == tf_examples.PREDICT else ()
    return _as_empty(encoding.read_json(parsed, case.method, case.signature, outputs), case)


def read_grpc(case: GoldenCase, body: bytes) -> tuple[int, Mapping[str, Array]]:
    """Return the version that answered a golden request over gRPC, and its arrays. Raises as `read_rest` does."""
    try:
        answer = message_class(f"tensorflow.serving.{encoding.answer_name(case.method)}").FromString(body)
    except DecodeError as error:
        raise RequestFailed(f"the answer is no {case.method} response: {error}") from error
    return encoding.read_message(answer, case.method)


def declared(model: Model, case: GoldenCase) -> Signature:
    """Return the signature of a golden request. Raises ParityError if the model does not have it."""
    signature = model.signature(case.signature)
    if signature is None:
        raise ParityError(f"the golden set asks signature {case.signature}, which the model does not have")
    return signature


def rest_can_carry(model: Model, case: GoldenCase) -> bool:
    """Return whether a golden request can be sent over REST."""
    return rest_cannot_carry(model, case) is None


def rest_cannot_carry(model: Model, case: GoldenCase) -> str | None:
    """Return the part of a request or its answer that REST cannot carry, or None.

    JSON lacks some dtypes, requests without inputs, and bytes that are not UTF-8 unless the output's name ends with
    `_bytes`.
    """
    signature = model.signature(case.signature)
    if signature is None:
        return None
    if not signature.inputs:
        return "a question without inputs"
    for kind, specs in (("input", signature.inputs), ("output", signature.outputs)):
        if served := next((spec for spec in specs if spec.dtype in REST_UNSUPPORTED), None):
            return f"the {served.dtype} of {kind} {served.name}"
    if case.method != tf_examples.PREDICT:
        return None
    unreadable = next((name for name, array in case.outputs.items() if golden.is_binary_output(name, array)), None)
    return f"what output {unreadable} holds" if unreadable else None


def random_output_names(model: Model, case: GoldenCase) -> tuple[str, ...]:
    """Return the outputs of an answer with random values, which are compared by shape and dtype only."""
    return tuple(name for name in case.outputs if f"{case.signature}/{name}" in model.golden.random_outputs)


def compare(case: GoldenCase, answer: Mapping[str, Array], model: Model, tolerance: Tolerance) -> float | None:
    """Return the largest distance over all outputs; None if no values were compared.

    Raises ParityError at the first output that exceeds the tolerance.
    """
    if set(answer) != set(case.outputs):
        raise ParityError(f"{case.signature}: outputs {sorted(answer)}, not {sorted(case.outputs)}")
    random = random_output_names(model, case)
    worst: float | None = None
    for name, expected in case.outputs.items():
        difference = golden.compare(expected, answer[name], tolerance, shape_only=name in random)
        if difference.fault:
            raise ParityError(f"{case.signature}/{name}: {difference.fault}")
        if name not in random:
            worst = max(worst or 0.0, difference.worst)
    return worst


def _as_empty(answer: Mapping[str, Array], case: GoldenCase) -> Mapping[str, Array]:
    """Restore the shapes of empty arrays: JSON drops the dimensions after the first 0."""
    return {name: _reshaped(array, case.outputs.get(name)) for name, array in answer.items()}


def _reshaped(served: Array, expected: Array | None) -> Array:
    if expected is None or expected.size:
        return served
    is_cut = served.shape == expected.shape[: expected.shape.index(0) + 1]
    return served.reshape(expected.shape) if is_cut else served


def examples(case: GoldenCase) -> list[bytes]:
    """Return the serialized tf.Example messages of a classify or regress request."""
    return list(case.inputs[tf_examples.INPUT].tolist())
