"""Check that the saved model answers as the source model does."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from deployer.errors import SourceDiffers
from deployer.results.model import Signature, TensorSpec
from deployer.savedmodel.tensors import dtype_of
from deployer.verification import golden
from deployer.verification.golden import DEFAULT_TOLERANCE, GoldenCase, Tolerance

if TYPE_CHECKING:
    from deployer.savedmodel.tensors import Array

FULL_PRECISION_SHARE = 1e-3
HALF_PRECISION_SHARE = 5e-2
"""The allowed difference as a share of an output's largest value.

Another summation order changes the last digits, and half precision has few. Real faults are larger.
"""
TRACED_PYTHON_HINT = (
    "what Python computes while a model is traced stays as it was then: compute it with TensorFlow ops, from "
    "tf.shape(x) and tf.Variable"
)


def check(
    signature: Signature,
    source_case: GoldenCase,
    saved_case: GoldenCase,
    random: Collection[str],
    *,
    half_precision: bool = False,
) -> None:
    """Raise SourceDiffers if the saved model's answer is not the source model's.

    `random` outputs are compared by shape and dtype; `half_precision` allows for a model that computes with it.
    """
    for name in sorted(source_case.outputs.keys() & saved_case.outputs.keys()):
        expected, actual = source_case.outputs[name], saved_case.outputs[name]
        is_random = f"{signature.name}/{name}" in random
        fault = golden.compare(
            expected, actual, tolerance(expected, half_precision=half_precision), shape_only=is_random
        ).fault
        if fault:
            raise differs_error(signature, source_case, f"output {name!r}: {fault}")


def differs_error(signature: Signature, source_case: GoldenCase, difference: str) -> SourceDiffers:
    """Return the error with the inputs that show the difference, and a hint."""
    inputs = ", ".join(f"{name}: {dtype_of(array)}{list(array.shape)}" for name, array in source_case.inputs.items())
    return SourceDiffers(
        f"the saved model does not answer as the source model does: signature {signature.name}, "
        f"asked with {inputs or 'no input'}: {difference}",
        hint=_hint(signature, source_case),
    )


def tolerance(expected: Array, *, half_precision: bool) -> Tolerance:
    """Return the tolerance for another order of computation."""
    dtype = dtype_of(expected)
    if dtype not in DEFAULT_TOLERANCE or not expected.size:
        return Tolerance()
    sizes = np.abs(expected.astype(np.complex128 if expected.dtype.kind == "c" else np.float64))
    largest = float(sizes[np.isfinite(sizes)].max(initial=0.0))
    share = HALF_PRECISION_SHARE if half_precision else FULL_PRECISION_SHARE
    return Tolerance(share, max(Tolerance().of(dtype)[1], share * largest))


def _hint(signature: Signature, source_case: GoldenCase) -> str:
    open_inputs = [spec for spec in signature.inputs if spec.shape and None in spec.shape[1:]]
    if not open_inputs:
        return TRACED_PYTHON_HINT
    fixed = " ".join(f"--input '{spec.name}:{_fixed(spec, source_case)}'" for spec in signature.inputs)
    return f"a fixed length may be right: {fixed}; {TRACED_PYTHON_HINT}"


def _fixed(spec: TensorSpec, source_case: GoldenCase) -> TensorSpec:
    """Return the input with the lengths of this request; its batch dimension is unchanged."""
    shape: Sequence[int | None] = source_case.inputs[spec.name].shape
    first = spec.shape[:1] if spec.shape else ()
    return TensorSpec(spec.name, spec.dtype, (*first, *shape[len(first) :]))
