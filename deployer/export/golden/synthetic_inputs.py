"""Generate example inputs from a signature: deterministic, typical values first, then edge values."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from deployer.export.golden import synthetic_strings
from deployer.export.golden.session import InputRefused
from deployer.export.golden.string_inputs import StringFormat
from deployer.results.model import Signature, TensorSpec
from deployer.savedmodel import tensors

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator

    from deployer.savedmodel.tensors import Array

Feed = dict[str, "Array"]
Answer = tuple[Feed, Feed]
SIZES = (4, 1, 8, 28, 32, 224)
LENGTHS = (7, 5, 12, 16, 64, 96, 256)
"""Second lengths of open dimensions; none is a batch size."""
SINGLE_ROW_LENGTH = 32
"""From this length on, one row is used: images and long texts are slow."""
RANKS = (2, 1, 4)
MAX_SCALARS = 16
"""The limit of combinations of scalars among inputs of unknown rank."""
BATCHES = (1, 3)
MAX_FEED_ELEMENTS = 1 << 22
DECIMALS = 3
"""Short enough to read, precise enough for a number."""
EDGES: Mapping[str, tuple[tuple[Any, ...], ...]] = {
    "f": ((0.0, -1.0, 1.0, 0.5), (-10.0, 10.0, 0.001)),
    "c": ((0j, 1j, -1.0), (-10 + 10j,)),
    "i": ((0, 1), (-1, 100)),
    "u": ((0, 1), (2, 200)),
    "b": ((True, False),),
    "O": ((b"", b"plain", "ünïcödé 漢字".encode()), (b"\xff\x00\x01",)),
}


@dataclass(frozen=True)
class Setting:
    """Values for what the signature leaves open; `narrow` limits numbers to 0 and 1.

    If `other` is set, every second open dimension except the batch has that length. `scalars` names the inputs of
    unknown rank that are scalars.
    """

    rank: int
    size: int
    narrow: bool
    string_format: StringFormat = StringFormat()
    other: int | None = None
    scalars: frozenset[str] = frozenset()


@dataclass(frozen=True)
class SyntheticSet:
    """Inputs with their answers; `notes` say what the model accepts less of than its signature declares."""

    answers: list[Answer]
    notes: list[str] = field(default_factory=list)


def accepted(
    signature: Signature, run: Callable[[Feed], Feed], string_format: StringFormat | None = None
) -> SyntheticSet:
    """Return inputs that the model accepts, with its answers.

    Raises InputRefused with the first reason if it accepts none. `string_format` is the format of its strings.
    """
    refusals: list[InputRefused] = []
    partial: list[Answer] = []
    for setting in settings(signature, string_format or StringFormat()):
        found = list(_accepted(run, _ordinary(signature, setting), refusals))
        if len(found) == len(_batches(signature)):
            lengths = _other_lengths(signature, setting, run)
            return SyntheticSet(
                [*found, *lengths.answers, *_accepted(run, edges(signature, setting), refusals)], lengths.notes
            )
        partial = partial or found
    if not partial:
        raise refusals[0] if refusals else InputRefused("its inputs are too large to make up")
    return SyntheticSet(partial)


def _other_lengths(signature: Signature, setting: Setting, run: Callable[[Feed], Feed]) -> SyntheticSet:
    """Try a second length: for all open dimensions, then for every second one."""
    count = open_dimensions(signature, setting)
    if not count:
        return SyntheticSet([])
    for length in LENGTHS:
        longer = replace(setting, size=length)
        if length == setting.size or _elements(signature, longer, BATCHES[0]) > MAX_FEED_ELEMENTS:
            continue
        if found := list(_accepted(run, iter([_feed_of_length(signature, longer)]), [])):
            break
    else:
        return SyntheticSet([], [f"{signature.name}: of the lengths that were tried, it takes {setting.size} only"])
    if count == 1:
        return SyntheticSet(found)
    mixed = (replace(setting, other=length), replace(longer, other=setting.size))
    mixed_answers = list(_accepted(run, (_feed_of_length(signature, one) for one in mixed), []))
    if mixed_answers:
        return SyntheticSet([*found, *mixed_answers])
    note = f"{signature.name}: it takes its open dimensions with one length for all of them only"
    return SyntheticSet(found, [f"{note} ({setting.size}, {length})"])


def _feed_of_length(signature: Signature, setting: Setting) -> Feed:
    longest = max(setting.size, setting.other or 0)
    return ordinary(signature, setting, BATCHES[0] if longest >= SINGLE_ROW_LENGTH else BATCHES[1])


def _ordinary(signature: Signature, setting: Setting) -> Iterator[Feed]:
    return (ordinary(signature, setting, batch) for batch in _batches(signature))


def _batches(signature: Signature) -> tuple[int, ...]:
    return BATCHES if signature.inputs else BATCHES[:1]


def _accepted(run: Callable[[Feed], Feed], feeds: Iterator[Feed], refusals: list[InputRefused]) -> Iterator[Answer]:
    for feed in feeds:
        try:
            yield feed, run(feed)
        except InputRefused as error:  # noqa: PERF203 - a refusal is an expected answer
            refusals.append(error)


def settings(signature: Signature, string_format: StringFormat | None = None) -> Iterator[Setting]:
    """Yield the settings to try, the most likely first; only one if the signature leaves nothing open."""
    shapes = [spec.shape for spec in signature.inputs]
    ranks = RANKS if None in shapes else RANKS[:1]
    is_open = any(shape is None or None in shape[1:] for shape in shapes)
    sizes = SIZES if is_open else SIZES[:1]
    for scalars in _scalars(signature):
        for rank, size, narrow in itertools.product(ranks, sizes, (False, True)):
            setting = Setting(rank, size, narrow, string_format or StringFormat(), scalars=scalars)
            if _elements(signature, setting, BATCHES[0]) <= MAX_FEED_ELEMENTS:
                yield setting


def _scalars(signature: Signature) -> Iterator[frozenset[str]]:
    """Yield sets of inputs of unknown rank that are scalars: none, each alone, all, then larger combinations."""
    unknown = [spec.name for spec in signature.inputs if spec.shape is None]
    counts = dict.fromkeys((0, 1, len(unknown), *range(2, len(unknown))))
    combinations = itertools.chain.from_iterable(itertools.combinations(unknown, count) for count in counts)
    yield from itertools.islice(map(frozenset, combinations), MAX_SCALARS)


def _elements(signature: Signature, setting: Setting, batch: int) -> int:
    return sum(math.prod(shape) for shape in shapes(signature, setting, batch).values())


def open_dimensions(signature: Signature, setting: Setting) -> int:
    """Return how many dimensions the signature leaves open, apart from the batch."""
    return sum(_declared_shape(spec, setting)[1:].count(None) for spec in signature.inputs)


def _declared_shape(spec: TensorSpec, setting: Setting) -> tuple[int | None, ...]:
    if spec.shape is not None:
        return spec.shape
    return () if spec.name in setting.scalars else (None,) * setting.rank


def shapes(signature: Signature, setting: Setting, batch: int) -> dict[str, tuple[int, ...]]:
    """Return a shape for each input by name."""
    lengths = itertools.cycle([setting.size, setting.other or setting.size])
    return {spec.name: _concrete_shape(_declared_shape(spec, setting), batch, lengths) for spec in signature.inputs}


def _concrete_shape(declared: tuple[int | None, ...], batch: int, lengths: Iterator[int]) -> tuple[int, ...]:
    first = [batch if size is None else size for size in declared[:1]]
    return (*first, *(next(lengths) if size is None else size for size in declared[1:]))


def ordinary(signature: Signature, setting: Setting, batch: int) -> Feed:
    """Return typical values from a generator that is seeded with the signature."""
    import numpy as np

    seed_text = f"{signature.name} {signature.inputs} {setting.rank} {setting.size} {setting.narrow} {batch}"
    seed = hashlib.sha256(seed_text.encode()).digest()
    rng = np.random.default_rng(int.from_bytes(seed[:8], "big"))
    input_shapes = shapes(signature, setting, batch)
    return {spec.name: _random_values(spec, input_shapes[spec.name], rng, setting) for spec in signature.inputs}


def _random_values(spec: TensorSpec, shape: tuple[int, ...], rng: Generator, setting: Setting) -> Array:
    import numpy as np

    dtype = tensors.numpy_dtype(spec.dtype)
    if dtype.kind == "O":
        return _filled(shape, dtype, _strings(setting, math.prod(shape), rng))
    if setting.narrow or dtype.kind == "b":
        return np.asarray(rng.integers(0, 2, size=shape)).astype(dtype)
    if dtype.kind in "iu":
        return np.asarray(rng.integers(0, 256 if spec.dtype == "uint8" else 10, size=shape)).astype(dtype)
    values: Array = np.asarray(rng.standard_normal(shape)).round(DECIMALS).astype(dtype)
    return values


def _strings(setting: Setting, count: int, rng: Generator) -> list[bytes]:
    string_format = setting.string_format
    if string_format.features:
        return synthetic_strings.examples(string_format.features, count, rng, narrow=setting.narrow)
    if string_format.images:
        return synthetic_strings.images(count, rng)
    return [word.encode() for word in rng.choice(synthetic_strings.SAMPLE_TEXTS, size=count).tolist()]


def edges(signature: Signature, setting: Setting) -> Iterator[Feed]:
    """Yield one or two cases of edge values; all inputs have edge values at the same time."""
    if setting.string_format != StringFormat():
        return  # edge-case strings are neither tf.Examples nor images
    input_shapes = shapes(signature, setting, BATCHES[1])
    kinds = [_edge_values(spec, signature) for spec in signature.inputs]
    for case in range(max((len(values) for values in kinds), default=0)):
        yield {
            spec.name: _filled(
                input_shapes[spec.name], tensors.numpy_dtype(spec.dtype), values[min(case, len(values) - 1)]
            )
            for spec, values in zip(signature.inputs, kinds, strict=True)
        }


def _edge_values(spec: TensorSpec, signature: Signature) -> tuple[tuple[Any, ...], ...]:
    """Return edge values; bytes that are not UTF-8 only if no output could return them as text."""
    kind = tensors.numpy_dtype(spec.dtype).kind
    values = EDGES["f" if kind == "V" else kind]
    gives_text = any(out.dtype == "string" and not out.name.endswith("_bytes") for out in signature.outputs)
    return values[:1] if kind == "O" and gives_text else values


def _filled(shape: tuple[int, ...], dtype: np.dtype[Any], values: Iterable[Any]) -> Array:
    """Return an array that repeats the values."""
    import numpy as np

    array = np.empty(math.prod(shape), dtype=dtype)
    array[:] = [value for value, _ in zip(itertools.cycle(values), range(array.size), strict=False)]
    return array.reshape(shape)
