"""Convert the user's examples to feeds of a signature, or explain what does not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployer.errors import GoldenError, MalformedTensor
from deployer.export.golden.example_files import MAX_EXAMPLES, content
from deployer.export.golden.example_rows import rows
from deployer.export.golden.string_inputs import Feature
from deployer.export.signature_writer import DEFAULT_SIGNATURE
from deployer.results.model import Shape, Signature, TensorSpec
from deployer.savedmodel import tensors

if TYPE_CHECKING:
    from deployer.savedmodel.tensors import Array

MAX_FEED_BYTES = 4 << 20
Feed = dict[str, "Array"]


@dataclass(frozen=True)
class ExampleSet:
    """Feeds for one signature; `rows_found` examples were in the file, `kept` are used."""

    signature: str
    feeds: tuple[Feed, ...]
    rows_found: int
    kept: int


def read(
    path: Path, signatures: Sequence[Signature], features: Callable[[Signature], Sequence[Feature]] = lambda _: ()
) -> ExampleSet:
    """Return the examples as feeds of their signature. Raises GoldenError with input, expected and actual value.

    `features` returns the tf.Example features that a signature parses, if any.
    """
    parsed = content(path)
    signature = _signature(path, parsed.signature, signatures)
    rows_found = rows(path, parsed, signature, features(signature))
    if rows_found is not None:
        return _from_rows(path, signature, rows_found, parsed.found)
    return _from_columns(path, signature, parsed.columns)


def _signature(path: Path, name: str | None, signatures: Sequence[Signature]) -> Signature:
    by_name = {signature.name: signature for signature in signatures}
    is_default = DEFAULT_SIGNATURE in by_name or len(by_name) != 1
    expected = name or (DEFAULT_SIGNATURE if is_default else next(iter(by_name)))
    if expected not in by_name:
        raise GoldenError(
            f"{path} is for the signature {expected!r}; the model has {', '.join(by_name) or 'none'}",
            hint='name one in the file: {"signature_name": ..., "instances": [...]}',
        )
    return by_name[expected]


# Rows: one example each


def _from_rows(path: Path, signature: Signature, user_examples: Sequence[Any], rows_found: int) -> ExampleSet:
    if not user_examples:
        raise GoldenError(f"{path} holds no examples")
    singles = [
        _row(f"{path}, example {number}", signature, row) for number, row in enumerate(user_examples[:MAX_EXAMPLES], 1)
    ]
    shapes = {tuple((name, array.shape) for name, array in single.items()) for single in singles}
    if len(shapes) > 1 or not signature.inputs:
        return ExampleSet(signature.name, tuple(singles), rows_found, len(singles))
    return _from_table(path, signature, _stacked(singles), rows_found)


def _stacked(singles: Sequence[Feed]) -> Feed:
    import numpy as np

    return {name: np.concatenate([single[name] for single in singles]) for name in singles[0]}


def _row(where: str, signature: Signature, row: object) -> Feed:
    columns = {name: [value] for name, value in _named(where, signature, row, of_a_row=True).items()}
    return {spec.name: _array(where, spec, columns[spec.name], _inner(spec.shape)) for spec in signature.inputs}


def _inner(shape: Shape) -> Shape:
    """Return the shape with an open first dimension."""
    return (None, *shape[1:]) if shape else shape


def _named(where: str, signature: Signature, value: Any, *, of_a_row: bool = False) -> Mapping[str, Any]:
    """Return values by input name; the name may be omitted for a single input."""
    expected = {spec.name for spec in signature.inputs}
    if isinstance(value, dict) and set(value) == expected:
        return value
    is_bare = not isinstance(value, dict) or (of_a_row and set(value) == {"b64"}) or set(value) == {"arr_0"}
    if len(expected) == 1 and is_bare:
        return {next(iter(expected)): value["arr_0"] if isinstance(value, dict) and "arr_0" in value else value}
    if not isinstance(value, dict):
        raise GoldenError(f"{where}: {signature.name} takes {_listed(expected)} by name, got {type(value).__name__}")
    raise GoldenError(f"{where}: {signature.name} takes {_listed(expected)}, got {_listed(value)}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(str(name)) for name in sorted(names)[:20]) or "nothing"


# Columns: a batch for each input


def _from_columns(path: Path, signature: Signature, value: Any) -> ExampleSet:
    columns = _named(str(path), signature, value)
    table = {spec.name: _array(str(path), spec, columns[spec.name], spec.shape) for spec in signature.inputs}
    sizes = {spec.name: table[spec.name].shape[0] for spec in signature.inputs if _is_batched(spec, table)}
    if len(set(sizes.values())) > 1:
        raise GoldenError(f"{path}: the inputs have different numbers of examples: {sizes}")
    return _from_table(path, signature, table, next(iter(sizes.values()), 1))


def _from_table(path: Path, signature: Signature, table: Feed, rows_found: int) -> ExampleSet:
    """Return two feeds, to cover two batch sizes: the first example, then all that are kept."""
    if rows_found == 0:
        raise GoldenError(f"{path} holds no examples")
    for spec in signature.inputs:
        _check_shape(str(path), spec, table[spec.name].shape, spec.shape)
    if not signature.inputs or not all(_is_batched(spec, table) for spec in signature.inputs):
        return ExampleSet(signature.name, (table,), rows_found, rows_found)
    row_count = next(len(array) for array in table.values())
    kept = min(row_count, MAX_EXAMPLES, max(1, MAX_FEED_BYTES * row_count // max(1, sum(map(size_of, table.values())))))
    feeds = [{name: array[:count] for name, array in table.items()} for count in sorted({1, kept})]
    return ExampleSet(signature.name, tuple(feeds), rows_found, kept)


def _is_batched(spec: TensorSpec, table: Feed) -> bool:
    """Return whether the input has a row for each example; an input of unknown rank may be a scalar."""
    if spec.shape is None:
        return bool(table[spec.name].ndim)
    return len(spec.shape) > 0 and spec.shape[0] is None


def size_of(array: Array) -> int:
    """Return the size of an array in a record, in bytes; strings count by their length."""
    if array.dtype.kind == "O":
        return sum(len(item) + 2 for item in array.ravel().tolist())
    return int(array.nbytes)


def _array(where: str, spec: TensorSpec, value: Any, shape: Shape) -> Array:
    plain = value.tolist() if spec.dtype == "string" and hasattr(value, "tolist") else value
    try:
        array = tensors.from_json(plain, spec.dtype)
    except (MalformedTensor, ValueError) as error:
        raise GoldenError(f"{where}: input {spec.name!r} wants {spec}: {error}") from error
    _check_shape(where, spec, array.shape, shape)
    return array


def _check_shape(where: str, spec: TensorSpec, actual_shape: tuple[int, ...], expected_shape: Shape) -> None:
    fits = expected_shape is None or (
        len(expected_shape) == len(actual_shape)
        and all(a is None or a == b for a, b in zip(expected_shape, actual_shape, strict=True))
    )
    if not fits:
        raise GoldenError(f"{where}: input {spec.name!r} wants {spec}, got the shape {list(actual_shape)}")
