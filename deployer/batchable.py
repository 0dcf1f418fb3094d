"""Whether requests for a model can be run together: TensorFlow Serving joins them along the first dimension.

It refuses such a request, or answers it wrongly, when an input or an output has no open first dimension.
"""

from __future__ import annotations

from collections.abc import Sequence

from deployer.model import Shape, Signature


def problem(signatures: Sequence[Signature]) -> str | None:
    """Why batching would break one of the signatures; an unknown rank gets the benefit of the doubt."""
    return next((found for found in map(_of_signature, signatures) if found), None)


def _of_signature(signature: Signature) -> str | None:
    if not signature.inputs:
        return f"signature {signature.name} has no inputs to join"
    for kind, specs in (("input", signature.inputs), ("output", signature.outputs)):
        for spec in specs:
            if fault := _fault(spec.shape):
                return f"{kind} {spec.name!r} of signature {signature.name}, {spec}, has {fault}"
    return None


def _fault(shape: Shape) -> str | None:
    if shape is None:
        return None
    if not shape:
        return "no batch dimension"
    return None if shape[0] is None else f"the fixed batch dimension {shape[0]}"
