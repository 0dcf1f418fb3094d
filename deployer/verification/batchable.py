"""Check whether requests for a model can be batched: TensorFlow Serving concatenates them along the first dimension.

It refuses such a request, or answers it wrongly, if an input or an output has no open first dimension. Without
batching, a fixed first dimension accepts only requests with that number of rows. The golden answers outweigh the
signature, which may leave a rank or a first dimension open.
"""

from __future__ import annotations

from collections.abc import Sequence

from deployer.results.model import Shape, Signature
from deployer.verification.golden import GoldenCase


def problem(signatures: Sequence[Signature], cases: Sequence[GoldenCase] = ()) -> str | None:
    """Return why batching would break a signature, by its declaration and its golden answers; None if it works."""
    found = (*map(_of_signature, signatures), *map(_of_case, cases))
    return next((fault for fault in found if fault), None)


def fixed(signatures: Sequence[Signature]) -> tuple[str, ...]:
    """Return a line for each signature that accepts only one number of rows, with the way to open the dimension."""
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


def _of_case(case: GoldenCase) -> str | None:
    """Require the same number of rows in each input and output: requests are joined and answers split by rows."""
    rows: dict[str, int] = {}
    for name, array in case.inputs.items():
        if not array.ndim:
            return f"input {name!r} of signature {case.signature} is a scalar: it has no batch dimension"
        rows[name] = array.shape[0]
    if len(set(rows.values())) > 1:
        return f"the inputs of signature {case.signature} have different numbers of rows: {rows}"
    request_rows = next(iter(rows.values()), None)
    for name, array in case.outputs.items():
        output = f"output {name!r} of signature {case.signature}"
        if not array.ndim:
            return f"{output} has no batch dimension: asked with {request_rows} rows, it is a scalar"
        if request_rows is not None and array.shape[0] != request_rows:
            return f"{output} has {array.shape[0]} rows when {request_rows} are asked"
    return None


def _fault(shape: Shape) -> str | None:
    if shape is None:
        return None
    if not shape:
        return "no batch dimension"
    return None if shape[0] is None else f"the fixed batch dimension {shape[0]}"
