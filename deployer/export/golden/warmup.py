"""The warm-up file: golden requests that a server replays before it reports a version as AVAILABLE.

A failing record makes the load fail, so each one was run before: golden requests when they were recorded, others here.
Without batching the smallest request of each signature is enough; with batching there is one for each batch size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deployer.errors import BrokenModel
from deployer.export.golden.examples import size_of
from deployer.export.golden.golden_set import answer
from deployer.export.golden.records import write_records
from deployer.export.golden.session import RUN_TIMEOUT_MS, InputRefused, LoadedModel, loaded
from deployer.export.runtime import tf_module
from deployer.results.model import Signature
from deployer.savedmodel.layout import WARMUP_FILE
from deployer.savedmodel.reader import read as read_saved_model
from deployer.verification.golden import GoldenCase, read, request_log

if TYPE_CHECKING:
    from deployer.savedmodel.tensors import Array

MAX_RECORDS = 1000
"""TensorFlow Serving loads no version whose file has more."""
MAX_BYTES = 64 << 20


def make(target: Path, sizes: Sequence[int]) -> int:
    """Write the file from the golden set in the same directory, and return the number of records."""
    path = target / WARMUP_FILE
    requests = list(_requests(read(target), read_saved_model(target).signatures, sizes))
    refused = _refused(target, [(case, signature) for case, signature in requests if not case.outputs])
    kept = [case for case, _ in requests if id(case) not in refused]
    if kept:
        write_records(path, (bytes(request_log(case).SerializeToString(deterministic=True)) for case in kept))
    return len(kept)


def check(target: Path) -> int:
    """Replay the source's own file with the embedded server's code, and return the number of records.

    Raises BrokenModel for the first record that fails: no server would load the version.
    """
    servable, warmup = tf_module("deployer.server.servable"), tf_module("deployer.server.warmup")
    status = tf_module("deployer.server.status")
    file = target / WARMUP_FILE
    replayed = 0
    try:
        model = servable.load(str(target), servable.LoadOptions())
    except status.ServingError as error:
        raise BrokenModel(f"the SavedModel does not load: {error.message:.300}") from error
    try:
        for record in warmup.records(file):
            if replayed == MAX_RECORDS:
                raise _record_error(replayed + 1, f"a server reads {MAX_RECORDS} records and no more")
            warmup.replay(model, warmup.parsed(record, file), RUN_TIMEOUT_MS)
            replayed += 1
    except status.ServingError as error:
        raise _record_error(replayed + 1, error.message) from error
    finally:
        model.close()
    return replayed


def _record_error(number: int, reason: str) -> BrokenModel:
    return BrokenModel(
        f"record {number} of {WARMUP_FILE} fails, and no server would load the version: {reason:.300}",
        hint="--no-warmup leaves the file out, --warmup makes another from the golden set",
    )


def _refused(target: Path, requests: Sequence[tuple[GoldenCase, Signature]]) -> set[int]:
    """Return the ids of the requests that the model refuses; loads nothing if there are no requests."""
    if not requests:
        return set()
    with loaded(target) as model:
        return {id(case) for case, signature in requests if not _is_answered(model, signature, case)}


def _is_answered(model: LoadedModel, signature: Signature, case: GoldenCase) -> bool:
    try:
        answer(model, signature, case.inputs)
    except InputRefused:
        return False
    return True


def _requests(
    cases: Sequence[GoldenCase], signatures: Sequence[Signature], sizes: Sequence[int]
) -> Iterator[tuple[GoldenCase, Signature]]:
    """Yield the requests within the limits of records and bytes."""
    remaining_bytes = MAX_BYTES
    count = 0
    for signature in signatures:
        signature_cases = [case for case in cases if case.signature == signature.name]
        for case in _of_sizes(signature_cases[0], signature, sizes) if signature_cases else ():
            remaining_bytes -= sum(size_of(array) for array in case.inputs.values())
            if remaining_bytes < 0 or count == MAX_RECORDS:
                return
            count += 1
            yield case, signature


def _of_sizes(case: GoldenCase, signature: Signature, sizes: Sequence[int]) -> Iterator[GoldenCase]:
    """Yield the case with its rows repeated to each size, or unchanged if the signature has no batch dimension."""
    is_batched = signature.inputs and all(spec.shape and spec.shape[0] is None for spec in signature.inputs)
    if not sizes or not is_batched:
        yield case
        return
    for size in sizes:
        inputs = {name: _repeated(array, size) for name, array in case.inputs.items()}
        yield GoldenCase(case.signature, inputs, {}, case.method)


def _repeated(array: Array, size: int) -> Array:
    return array[np.arange(size) % len(array)]
