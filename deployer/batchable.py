"""Whether requests for a model can be run together: TensorFlow Serving joins them along the first dimension.

It refuses such a request, or answers it wrongly, when an input or an output has no open first dimension. Without
batching a fixed first dimension has requests of just that many rows answered, and all others refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from deployer.model import Shape, Signature


def problem(signatures: Sequence[Signature]) -> str | None:
    """Why batching would break one of the signatures; an unknown rank gets the benefit of the doubt."""
    return next((found for found in map(_of_signature, signatures) if found), None)


def fixed(signatures: Sequence[Signature]) -> tuple[str, ...]:
    """A line for each signature that can be asked for one number of rows only: which, and how that is opened."""
    return tuple(line for line in map(_fixed, signatures) if line)


def _fixed(signature: Signature) -> str | None:
    shapes = [spec.shape for spec in signature.inputs if spec.shape]
    rows = {shape[0] for shape in shapes}
    if len(rows) != 1 or None in rows or all(len(shape) == 1 for shape in shapes):
        return None
    listed = ", ".join(f"{spec.name}: {spec}" for spec in signature.inputs)
    return (
        f"{signature.name} can only be asked for batches of {rows.pop()} ({listed}); to open that, leave the first "
        f"dimension out where the model is made: keras.Input((3,)) without batch_size, tf.TensorSpec([None, 3])"
    )


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
