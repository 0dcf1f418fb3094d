"""Compare the answers of two versions on the golden requests of one of them, and their latency.

Both run here in TensorFlow, as at export: no engine and no port is needed, and the difference is that of the models,
not of two servers.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployer.export.golden.golden_set import answer
from deployer.export.golden.session import InputRefused, LoadedModel, loaded
from deployer.export.runtime import stdout_on_stderr
from deployer.results.differences import Numbers, OutputDistance
from deployer.results.model import Model
from deployer.verification import golden
from deployer.verification.golden import GoldenCase, Tolerance

ROUNDS = 10
NUMERIC = frozenset("fiubc")
"""The NumPy dtype kinds that have a distance between values."""


def measure(before: Model, after: Model) -> Numbers:
    """Run `after` on the golden requests of `before`. Raises GoldenError, BrokenModel."""
    cases = golden.read(before.path)
    with stdout_on_stderr():
        with loaded(before.path) as model:
            old = _milliseconds(model, before, cases)
        with loaded(after.path) as model:
            answers, refused = _answers(model, after, cases)
            new = _milliseconds(model, after, [case for case, _ in answers])
    random = {*before.golden.random_outputs, *after.golden.random_outputs}
    return Numbers(len(cases), _distances(answers, random), refused, old, new)


Array = NDArray[Any]
Pair = tuple[Array, Array]
AnsweredCase = tuple[GoldenCase, Mapping[str, Array]]


def _answers(
    model: LoadedModel, after: Model, cases: Sequence[GoldenCase]
) -> tuple[list[AnsweredCase], tuple[str, ...]]:
    """Return the version's answers, and the first reason of each signature that refuses a request."""
    answered_cases: list[AnsweredCase] = []
    refused: dict[str, str] = {}
    for case in cases:
        signature = after.signature(case.signature)
        if signature is None or {spec.name for spec in signature.inputs} != set(case.inputs):
            refused.setdefault(case.signature, "it has other inputs" if signature else "the signature is gone")
            continue
        try:
            answered_cases.append((case, answer(model, signature, case.inputs)))
        except InputRefused as error:
            refused.setdefault(case.signature, str(error))
    return answered_cases, tuple(f"{name}: {reason}" for name, reason in refused.items())


def _milliseconds(model: LoadedModel, version: Model, cases: Sequence[GoldenCase]) -> float | None:
    """Return the median latency of a golden request in milliseconds, after one warm-up round."""
    durations = []
    for round_number in range(ROUNDS + 1):
        for case in cases:
            signature = version.signature(case.signature)
            if signature is None:
                continue
            started = time.perf_counter()
            answer(model, signature, case.inputs)
            if round_number:
                durations.append((time.perf_counter() - started) * 1000)
    return round(statistics.median(durations), 3) if durations else None


def _distances(answered_cases: Sequence[AnsweredCase], random: set[str]) -> tuple[OutputDistance, ...]:
    pairs: dict[tuple[str, str], list[Pair]] = {}
    for case, outputs in answered_cases:
        for name in sorted(case.outputs.keys() & outputs.keys()):
            pairs.setdefault((case.signature, name), []).append((case.outputs[name], outputs[name]))
    return tuple(
        _distance(signature, output, found, is_random=f"{signature}/{output}" in random)
        for (signature, output), found in pairs.items()
    )


def _distance(signature: str, output: str, pairs: Sequence[Pair], *, is_random: bool) -> OutputDistance:
    """Return maximum and mean over all values; None for strings, different shapes and random outputs."""
    count = sum(int(old.size) for old, _ in pairs)
    if is_random:
        return OutputDistance(signature, output, None, None, 0, count, "random by nature: not compared")
    faults = [golden.compare(old, new, Tolerance()).fault for old, new in pairs]
    detail = next((fault for fault in faults if fault), "")
    if not all(map(_comparable, pairs)):
        return OutputDistance(signature, output, None, None, sum(map(bool, faults)), len(pairs), detail)
    flat = np.concatenate([_absolute_distances(old, new).ravel() for old, new in pairs])
    finite = flat[np.isfinite(flat)]
    worst, mean = (float(finite.max()), float(finite.mean())) if finite.size else (None, None)
    return OutputDistance(signature, output, worst, mean, int((flat != 0).sum()), count, detail)


def _comparable(pair: Pair) -> bool:
    """Return whether both are numbers or booleans of the same shape."""
    old, new = pair
    return old.shape == new.shape and {old.dtype.kind, new.dtype.kind} <= NUMERIC


def _absolute_distances(old: Array, new: Array) -> Array:
    """Return absolute distances; equal infinities and NaN pairs count as 0, a number and NaN as infinity."""
    dtype = np.complex128 if "c" in (old.dtype.kind, new.dtype.kind) else np.float64
    a, b = old.astype(dtype), new.astype(dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        distances = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    return np.where(np.isnan(distances), np.inf, distances)
