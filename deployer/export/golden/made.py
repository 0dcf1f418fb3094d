"""Example inputs made from a signature: the same every time, ordinary ones first, then edge values."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deployer import tensors
from deployer.export.golden import made_strings
from deployer.export.golden.session import Refused
from deployer.export.golden.strings_wanted import Wanted
from deployer.model import Signature, TensorSpec

Feed = dict[str, Any]
Answered = tuple[Feed, dict[str, Any]]
SIZES = (4, 1, 8, 28, 32, 224)
RANKS = (2, 1, 4)
BATCHES = (1, 3)
LARGEST_FEED = 1 << 22
DECIMALS = 3
"""Enough for a number, and short when a person reads it."""
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
    """What stands in for what the signature leaves open; `narrow` keeps to zeros and ones."""

    rank: int
    size: int
    narrow: bool
    wanted: Wanted = Wanted()


def answered(
    signature: Signature, run: Callable[[Feed], dict[str, Any]], wanted: Wanted | None = None
) -> list[Answered]:
    """Inputs that the model takes, with its answers. Raises Refused, with the first reason, when it takes none.

    `wanted` says what its strings must be.
    """
    refused: list[Refused] = []
    best: list[Answered] = []
    for setting in settings(signature, wanted or Wanted()):
        found = list(_taken(run, _ordinary(signature, setting), refused))
        if len(found) == len(_batches(signature)):
            return [*found, *_taken(run, edges(signature, setting), refused)]
        best = best or found
    if not best:
        raise refused[0] if refused else Refused("its inputs are too large to make up")
    return best


def _ordinary(signature: Signature, setting: Setting) -> Iterator[Feed]:
    return (ordinary(signature, setting, batch) for batch in _batches(signature))


def _batches(signature: Signature) -> tuple[int, ...]:
    return BATCHES if signature.inputs else BATCHES[:1]


def _taken(run: Callable[[Feed], dict[str, Any]], feeds: Iterator[Feed], refused: list[Refused]) -> Iterator[Answered]:
    for feed in feeds:
        try:
            yield feed, run(feed)
        except Refused as error:  # noqa: PERF203 - a refusal is an expected answer
            refused.append(error)


def settings(signature: Signature, wanted: Wanted | None = None) -> Iterator[Setting]:
    """The settings worth trying, the likeliest first; only one where the signature leaves nothing open."""
    shapes = [spec.shape for spec in signature.inputs]
    ranks = RANKS if None in shapes else RANKS[:1]
    is_open = any(shape is None or None in shape[1:] for shape in shapes)
    sizes = SIZES if is_open else SIZES[:1]
    for rank, size, narrow in itertools.product(ranks, sizes, (False, True)):
        setting = Setting(rank, size, narrow, wanted or Wanted())
        if sum(math.prod(_shape(spec, setting, BATCHES[0])) for spec in signature.inputs) <= LARGEST_FEED:
            yield setting


def _shape(spec: TensorSpec, setting: Setting, batch: int) -> tuple[int, ...]:
    declared = spec.shape if spec.shape is not None else (None,) * setting.rank
    sizes = [batch, *[setting.size] * len(declared)]
    return tuple(sizes[place] if size is None else size for place, size in enumerate(declared))


def ordinary(signature: Signature, setting: Setting, batch: int) -> Feed:
    """Unremarkable values, drawn by a generator that is seeded by the signature."""
    import numpy as np

    drawn_for = f"{signature.name} {signature.inputs} {setting.rank} {setting.size} {setting.narrow} {batch}"
    seed = hashlib.sha256(drawn_for.encode()).digest()
    rng = np.random.default_rng(int.from_bytes(seed[:8], "big"))
    return {spec.name: _drawn(spec, _shape(spec, setting, batch), rng, setting) for spec in signature.inputs}


def _drawn(spec: TensorSpec, shape: tuple[int, ...], rng: Any, setting: Setting) -> Any:
    dtype = tensors.numpy_dtype(spec.dtype)
    if dtype.kind == "O":
        return _filled(shape, dtype, _strings(setting, math.prod(shape), rng))
    if setting.narrow or dtype.kind == "b":
        return rng.integers(0, 2, size=shape).astype(dtype)
    if dtype.kind in "iu":
        return rng.integers(0, 256 if spec.dtype == "uint8" else 10, size=shape).astype(dtype)
    return rng.standard_normal(shape).round(DECIMALS).astype(dtype)


def _strings(setting: Setting, count: int, rng: Any) -> list[bytes]:
    wanted = setting.wanted
    if wanted.features:
        return made_strings.examples(wanted.features, count, rng, narrow=setting.narrow)
    if wanted.images:
        return made_strings.images(count, rng)
    return [word.encode() for word in rng.choice(made_strings.WORDS, size=count).tolist()]


def edges(signature: Signature, setting: Setting) -> Iterator[Feed]:
    """A case or two of edge values; all inputs turn to their edges together."""
    if setting.wanted != Wanted():
        return  # another text would be no example and no image
    kinds = [_edge_values(spec, signature) for spec in signature.inputs]
    for place in range(max((len(values) for values in kinds), default=0)):
        yield {
            spec.name: _filled(
                _shape(spec, setting, BATCHES[1]), tensors.numpy_dtype(spec.dtype), values[min(place, len(values) - 1)]
            )
            for spec, values in zip(signature.inputs, kinds, strict=True)
        }


def _edge_values(spec: TensorSpec, signature: Signature) -> tuple[tuple[Any, ...], ...]:
    """Bytes that are no text only where no output might give them back as text: JSON could not carry them."""
    kind = tensors.numpy_dtype(spec.dtype).kind
    values = EDGES["f" if kind == "V" else kind]
    gives_text = any(out.dtype == "string" and not out.name.endswith("_bytes") for out in signature.outputs)
    return values[:1] if kind == "O" and gives_text else values


def _filled(shape: tuple[int, ...], dtype: Any, values: Any) -> Any:
    """The values, over and over, in that shape."""
    import numpy as np

    array = np.empty(math.prod(shape), dtype=dtype)
    array[:] = [value for value, _ in zip(itertools.cycle(values), range(array.size), strict=False)]
    return array.reshape(shape)
