"""A predict request that a signature can answer, made from what the signature declares."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from deployer.client import tf_examples
from deployer.results.model import DTYPES, Signature, TensorSpec
from deployer.savedmodel.tensors import REST_CANNOT_CARRY

MAX_VALUES = 1000
"""How many values a request that is shown may have."""
DEFAULT_SIGNATURE = "serving_default"


def sample_inputs(signature: Signature) -> dict[str, Any]:
    """A value of the right dtype and shape for each input."""
    return {spec.name: _sample(spec) for spec in signature.inputs}


def is_short(signature: Signature) -> bool:
    """Whether such a request fits on a line."""
    return sum(math.prod(size or 1 for size in spec.shape or ()) for spec in signature.inputs) <= MAX_VALUES


def fits_rest(signature: Signature) -> bool:
    """Whether REST has a notation for all that goes in and comes out."""
    specs = (*signature.inputs, *signature.outputs)
    return not any(spec.dtype in REST_CANNOT_CARRY or spec.dtype not in DTYPES for spec in specs)


def first_request(signatures: Iterable[Signature]) -> dict[str, Any] | None:
    """A request for one of the signatures, `serving_default` where it will do; None where there is none to ask so."""
    for signature in sorted(signatures, key=lambda found: found.name != DEFAULT_SIGNATURE):
        is_predict = tf_examples.method_of(signature.method) == tf_examples.PREDICT
        if is_predict and signature.inputs and is_short(signature) and fits_rest(signature):
            return {"signature_name": signature.name, "inputs": sample_inputs(signature)}
    return None


def _sample(spec: TensorSpec) -> Any:
    value: Any = {"string": "text", "bool": True}.get(spec.dtype, 0.5 if spec.dtype.startswith("float") else 1)
    for size in reversed(spec.shape or ()):
        value = [value] * (1 if size is None else size)
    return value
