"""Predict, shared by REST and gRPC: from named arrays to named arrays, with TensorFlow Serving's checks.

Sources: `servables/tensorflow/predict_util.cc`, `tensorflow/cc/saved_model/util.cc`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from deployer.server.dtypes import BY_NUMPY, Array
from deployer.server.servable import Model, Signature
from deployer.server.status import Code, ServingError, invalid
from deployer.server.tensors import TensorError, to_array

DEFAULT_SIGNATURE = "serving_default"
_METHODS = ("tensorflow/serving/predict", "tensorflow/serving/classify", "tensorflow/serving/regress")


def find_signature(model: Model, name: str, check_method: bool = False) -> Signature:
    """Return a signature for a gRPC Predict; an empty name is the default one."""
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


def check_inputs(signature: Signature, sent: Sequence[str]) -> None:
    """Refuse a request whose inputs are not those of the signature."""
    if len(sent) > len(signature.inputs) or (len(sent) < len(signature.inputs) and not signature.defaults):
        raise invalid(_wrong_number(signature, sent))
    for alias, slot in signature.inputs.items():
        if alias not in sent and alias not in signature.defaults:
            raise invalid(
                f"Signature input alias: {alias}(feed name: {slot.tensor}) not found in request and no default "
                f"value provided. Inputs expected to be in the request {{{','.join(sorted(sent))}}}, or default "
                f"input alias set: {','.join(sorted(signature.defaults))}"
            )


def _wrong_number(signature: Signature, sent: Sequence[str]) -> str:
    asked = signature.inputs.keys()
    extra, missing = sorted(set(sent) - asked), sorted(asked - set(sent))
    return (
        f"input size does not match signature: {len(sent)}!={len(asked)} len({{{','.join(sorted(sent))}}}) != "
        f"len({{{','.join(sorted(asked))}}}). Sent extra: {{{','.join(extra)}}}. "
        f"Missing but required: {{{','.join(missing)}}}."
    )


def choose_outputs(signature: Signature, output_filter: Sequence[str]) -> list[str]:
    """Return the output names that a request asks for: all, or those of its filter."""
    for place, alias in enumerate(output_filter):
        if alias not in signature.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {alias} Outputs expected to be in the set "
                f"{{{','.join(sorted(signature.outputs))}}}."
            )
        if alias in output_filter[:place]:
            raise invalid(f"duplicate output tensor alias: {alias}")
    return list(output_filter or signature.outputs)


class RunOptions(NamedTuple):
    """How a run goes: with a time-out (0 is none), or on the caller's thread alone. Each request makes one."""

    timeout_ms: int = 0
    alone: bool = False


def run_request(model: Model, request: Any, timeout_ms: int = 0, check_method: bool = False) -> dict[str, Array]:
    """Answer a PredictRequest whose model is found already."""
    signature = find_signature(model, request.model_spec.signature_name, check_method)
    check_inputs(signature, list(request.inputs))
    sent = [alias for alias in signature.inputs if alias in request.inputs]
    inputs = {alias: _decoded(alias, request.inputs[alias]) for alias in sent}
    outputs = choose_outputs(signature, request.output_filter)
    pace = model.paces[signature.name]
    with pace.timed():
        return run(model, signature, inputs, outputs, RunOptions(timeout_ms, pace.alone))


def _decoded(alias: str, proto: Any) -> Array:
    try:
        return to_array(proto)
    except (TensorError, ValueError, MemoryError) as error:
        raise invalid(f"tensor parsing error: {alias}") from error


def run(
    model: Model, signature: Signature, inputs: Mapping[str, Array], outputs: Sequence[str], options: RunOptions
) -> dict[str, Array]:
    """Run a signature on arrays by input name; the answer is by output name."""
    feeds = tensors_of(signature, inputs)
    fetches = [signature.outputs[alias].tensor for alias in outputs]
    return dict(zip(outputs, model.run(feeds, fetches, options.timeout_ms, options.alone), strict=True))


def tensors_of(signature: Signature, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays by the names of the tensors that they are fed to; raises ServingError for a wrong dtype."""
    feeds: dict[str, Array] = {}
    for alias, slot in signature.inputs.items():
        array = inputs[alias] if alias in inputs else signature.defaults[alias]
        if array.dtype != slot.dtype.numpy:
            raise _wrong_dtype(signature, inputs)
        feeds[slot.tensor] = array
    return feeds


def _wrong_dtype(signature: Signature, inputs: Mapping[str, Array]) -> ServingError:
    """Tell of the first tensor with a wrong dtype; a Session counts tensors in the order of their names."""
    given = {**signature.defaults, **inputs}
    arrays = {slot.tensor: (slot.dtype, given[alias]) for alias, slot in signature.inputs.items()}
    return next(
        invalid(f"Expects arg[{place}] to be {dtype.name} but {BY_NUMPY[array.dtype].name} is provided")
        for place, (_, (dtype, array)) in enumerate(sorted(arrays.items(), key=lambda item: item[0]))
        if array.dtype != dtype.numpy
    )
