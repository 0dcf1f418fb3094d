"""Predict requests made from what a signature declares."""

from __future__ import annotations

import math
from collections.abc import Iterable

from deployer.client import tf_examples
from deployer.results.model import DTYPES, Signature, TensorSpec
from deployer.savedmodel.tensors import REST_UNSUPPORTED

# A sample request with more values than this is not shown.
MAX_VALUES = 1000
DEFAULT_SIGNATURE = "serving_default"


def sample_inputs(signature: Signature) -> dict[str, object]:
    """Return a JSON value of the declared dtype and shape for each input."""
    return {spec.name: _sample(spec) for spec in signature.inputs}


def is_short(signature: Signature) -> bool:
    """Return whether a sample request is short enough to show."""
    return sum(math.prod(size or 1 for size in spec.shape or ()) for spec in signature.inputs) <= MAX_VALUES


def fits_rest(signature: Signature) -> bool:
    """Return whether REST can carry the dtypes of all inputs and outputs."""
    specs = (*signature.inputs, *signature.outputs)
    return not any(spec.dtype in REST_UNSUPPORTED or spec.dtype not in DTYPES for spec in specs)


def first_request(signatures: Iterable[Signature]) -> dict[str, object] | None:
    """Return a request for `serving_default` or, where it takes none, another signature; None where none does."""
    for signature in sorted(signatures, key=lambda each: each.name != DEFAULT_SIGNATURE):
        is_predict = tf_examples.method_of(signature.method) == tf_examples.PREDICT
        if is_predict and signature.inputs and is_short(signature) and fits_rest(signature):
            return {"signature_name": signature.name, "inputs": sample_inputs(signature)}
    return None


def _sample(spec: TensorSpec) -> object:
    number = 0.5 if spec.dtype.startswith("float") else 1
    value: object = {"string": "text", "bool": True}.get(spec.dtype, number)
    for size in reversed(spec.shape or ()):
        value = [value] * (1 if size is None else size)
    return value
