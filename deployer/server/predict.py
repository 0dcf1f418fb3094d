"""Predict, shared by REST and gRPC: named arrays to named arrays, with TensorFlow Serving's checks.

Sources: `servables/tensorflow/predict_util.cc`, `tensorflow/cc/saved_model/util.cc`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from google.protobuf.message import Message

from deployer.server.dtypes import BY_NUMPY, Array
from deployer.server.servable import Model, Signature
from deployer.server.status import Code, ServingError, invalid
from deployer.server.tensors import TensorError, to_array

DEFAULT_SIGNATURE = "serving_default"
_METHODS = ("tensorflow/serving/predict", "tensorflow/serving/classify", "tensorflow/serving/regress")


def find_signature(model: Model, name: str, check_method: bool = False) -> Signature:
    """Return the signature for a gRPC Predict; an empty name selects the default one. Raises ServingError."""
    signature = model.signatures.get(name or DEFAULT_SIGNATURE)
    if signature is None:
        raise ServingError(Code.FAILED_PRECONDITION, f'Serving signature key "{name or DEFAULT_SIGNATURE}" not found.')
    if check_method and signature.method not in _METHODS:
        raise ServingError(
            Code.INTERNAL,
            f"Expected prediction signature method_name to be one of {{{', '.join(_METHODS)}}}. "
            f"Was: {signature.method}",
        )
    return signature


def check_inputs(signature: Signature, input_names: Sequence[str]) -> None:
    """Raise ServingError if the inputs of a request are not those of the signature."""
    if len(input_names) > len(signature.inputs) or (
        len(input_names) < len(signature.inputs) and not signature.defaults
    ):
        raise invalid(_input_count_message(signature, input_names))
    for alias, info in signature.inputs.items():
        if alias not in input_names and alias not in signature.defaults:
            raise invalid(
                f"Signature input alias: {alias}(feed name: {info.tensor}) not found in request and no default "
                f"value provided. Inputs expected to be in the request {{{','.join(sorted(input_names))}}}, or default "
                f"input alias set: {','.join(sorted(signature.defaults))}"
            )


def _input_count_message(signature: Signature, input_names: Sequence[str]) -> str:
    expected = signature.inputs.keys()
    extra, missing = sorted(set(input_names) - expected), sorted(expected - set(input_names))
    return (
        f"input size does not match signature: {len(input_names)}!={len(expected)} "
        f"len({{{','.join(sorted(input_names))}}}) != len({{{','.join(sorted(expected))}}}). "
        f"Sent extra: {{{','.join(extra)}}}. "
        f"Missing but required: {{{','.join(missing)}}}."
    )


def choose_outputs(signature: Signature, output_filter: Sequence[str]) -> list[str]:
    """Return the output names for a request: all, or those of its filter. Raises ServingError."""
    for index, alias in enumerate(output_filter):
        if alias not in signature.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {alias} Outputs expected to be in the set "
                f"{{{','.join(sorted(signature.outputs))}}}."
            )
        if alias in output_filter[:index]:
            raise invalid(f"duplicate output tensor alias: {alias}")
    return list(output_filter or signature.outputs)


class RunOptions(NamedTuple):
    """Options of a run: a time-out (0 is none), or execution on the caller's thread. Created for each request."""

    timeout_ms: int = 0
    on_caller_thread: bool = False


def run_request(model: Model, request: Message, timeout_ms: int = 0, check_method: bool = False) -> dict[str, Array]:
    """Answer a PredictRequest on a model. Raises ServingError."""
    signature = find_signature(model, request.model_spec.signature_name, check_method)
    check_inputs(signature, list(request.inputs))
    input_names = [alias for alias in signature.inputs if alias in request.inputs]
    inputs = {alias: _decoded(alias, request.inputs[alias]) for alias in input_names}
    outputs = choose_outputs(signature, request.output_filter)
    latency = model.latencies[signature.name]
    with latency.timer():
        return run(model, signature, inputs, outputs, RunOptions(timeout_ms, latency.on_caller_thread))


def _decoded(alias: str, proto: Message) -> Array:
    try:
        return to_array(proto)
    except (TensorError, ValueError, MemoryError) as error:
        raise invalid(f"tensor parsing error: {alias}") from error


def run(
    model: Model, signature: Signature, inputs: Mapping[str, Array], outputs: Sequence[str], options: RunOptions
) -> dict[str, Array]:
    """Run a signature on arrays by input name and return arrays by output name. Raises ServingError."""
    feeds = tensors_of(signature, inputs)
    fetches = [signature.outputs[alias].tensor for alias in outputs]
    return dict(zip(outputs, model.run(feeds, fetches, options.timeout_ms, options.on_caller_thread), strict=True))


def tensors_of(signature: Signature, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays by tensor name. Raises ServingError for a wrong dtype."""
    feeds: dict[str, Array] = {}
    for alias, info in signature.inputs.items():
        array = inputs[alias] if alias in inputs else signature.defaults[alias]
        if array.dtype != info.dtype.numpy:
            raise _dtype_error(signature, inputs)
        feeds[info.tensor] = array
    return feeds


def _dtype_error(signature: Signature, inputs: Mapping[str, Array]) -> ServingError:
    """Return the error for the first wrong dtype; a Session numbers tensors in the order of their names."""
    arrays_by_alias = {**signature.defaults, **inputs}
    arrays = {info.tensor: (info.dtype, arrays_by_alias[alias]) for alias, info in signature.inputs.items()}
    return next(
        invalid(f"Expects arg[{index}] to be {dtype.name} but {BY_NUMPY[array.dtype].name} is provided")
        for index, (_, (dtype, array)) in enumerate(sorted(arrays.items(), key=lambda item: item[0]))
        if array.dtype != dtype.numpy
    )
