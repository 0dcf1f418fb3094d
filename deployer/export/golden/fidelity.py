"""Whether the saved model answers as the source model does."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from deployer.errors import SourceDiffers
from deployer.results.model import Signature, TensorSpec
from deployer.savedmodel.tensors import dtype_of
from deployer.verification import golden
from deployer.verification.golden import DEFAULT_TOLERANCE, GoldenCase, Tolerance

FINE = 1e-3
COARSE = 5e-2
"""How far a value may be off, as a part of the largest value of its output: the same numbers are summed up in another
order, and in half precision they lie far apart. What is wrong is off by more."""
BY_PYTHON = (
    "what Python computes while a model is traced stays as it was then: compute it with TensorFlow ops, from "
    "tf.shape(x) and tf.Variable"
)


def check(
    signature: Signature, asked: GoldenCase, saved: GoldenCase, random: Collection[str], *, halves: bool = False
) -> None:
    """Raises SourceDiffers when the saved model's answer is not the source model's. `random` outputs are compared by
    shape and dtype; `halves` says that the model computes in half precision."""
    for name in sorted(asked.outputs.keys() & saved.outputs.keys()):
        want, got = asked.outputs[name], saved.outputs[name]
        is_random = f"{signature.name}/{name}" in random
        fault = golden.compare(want, got, tolerance(want, halves=halves), shape_only=is_random).fault
        if fault:
            raise differs(signature, asked, f"output {name!r}: {fault}")


def differs(signature: Signature, asked: GoldenCase, what: str) -> SourceDiffers:
    """The error, with the inputs that show the difference and the way out."""
    inputs = ", ".join(f"{name}: {dtype_of(array)}{list(array.shape)}" for name, array in asked.inputs.items())
    return SourceDiffers(
        f"the saved model does not answer as the source model does: signature {signature.name}, "
        f"asked with {inputs or 'no input'}: {what}",
        hint=_way_out(signature, asked),
    )


def tolerance(want: Any, *, halves: bool) -> Tolerance:
    """How far another order of computing may take an answer away from this one."""
    import numpy as np

    dtype = dtype_of(want)
    if dtype not in DEFAULT_TOLERANCE or not want.size:
        return Tolerance()
    sizes = np.abs(want.astype(np.complex128 if want.dtype.kind == "c" else np.float64))
    largest = float(sizes[np.isfinite(sizes)].max(initial=0.0))
    share = COARSE if halves else FINE
    return Tolerance(share, max(Tolerance().of(dtype)[1], share * largest))


def _way_out(signature: Signature, asked: GoldenCase) -> str:
    open_inputs = [spec for spec in signature.inputs if spec.shape and None in spec.shape[1:]]
    if not open_inputs:
        return BY_PYTHON
    fixed = " ".join(f"--input '{spec.name}:{_fixed(spec, asked)}'" for spec in signature.inputs)
    return f"a fixed length may be right: {fixed}; {BY_PYTHON}"


def _fixed(spec: TensorSpec, asked: GoldenCase) -> TensorSpec:
    """The input with the lengths that it was asked with; its batch stays as it is."""
    shape: Sequence[int | None] = asked.inputs[spec.name].shape
    first = spec.shape[:1] if spec.shape else ()
    return TensorSpec(spec.name, spec.dtype, (*first, *shape[len(first) :]))
