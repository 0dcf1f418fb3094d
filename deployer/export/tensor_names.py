"""Names of inputs and outputs that stay the same whatever else the process has built (docs/decisions/0002).

A name that the owner gave is kept. A name that a library made up by counting (`dense_7`, `keras_tensor_4`,
`input_2`) is nobody's: such an input is called `inputs`, or `inputs_0`, `inputs_1`, ... by its place among several;
such an output `output_0`, `output_1`, ... by its place.
"""

from __future__ import annotations

import dataclasses
import keyword
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

from deployer.errors import ExportFailed

COUNTED = re.compile(r"_\d+$")
GENERATED_INPUT = re.compile(r"(keras_tensor|input_layer)(_\d+)?|input_\d+")
GENERATED_PREFIXES = ("model", "functional", "sequential")
UNUSABLE_CHARACTERS = re.compile(r"[^A-Za-z0-9_./-]")
RESERVED = frozenset({*keyword.kwlist, "self"})


def explicit_input_name(name: str | None) -> str | None:
    """The input's name if its owner gave it, else None."""
    return None if not name or GENERATED_INPUT.fullmatch(name) else name


def explicit_layer_name(name: str, class_name: str) -> str | None:
    """The layer's name if its owner gave it; None for a class name in small letters, counted up or not."""
    stem = COUNTED.sub("", name)
    generated = {_normalised(class_name), *GENERATED_PREFIXES}
    return None if _normalised(stem) in generated or name.startswith("tf.") else name


def _normalised(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def input_names(explicit: Sequence[str | None]) -> tuple[str, ...]:
    """A name for each input: its owner's, or one by its place; by their places where two owners' names are one."""
    names = [
        name or ("inputs" if len(explicit) == 1 else f"inputs_{position}") for position, name in enumerate(explicit)
    ]
    if len(set(names)) == len(names):
        return tuple(names)
    return tuple(f"inputs_{position}" for position in range(len(explicit)))


def renamed_inputs(explicit: Sequence[str | None], names: Sequence[str]) -> tuple[str, ...]:
    """A note for each input whose owner's name could not stay."""
    pairs = zip(explicit, names, strict=True)
    return tuple(f"two inputs share a name: {old!r} is called {new!r}" for old, new in pairs if old and old != new)


def traceable_names(names: Sequence[str]) -> dict[str, str]:
    """A name that TensorFlow leaves as it is while it traces, for each name that a signature shall have."""
    counts = Counter(name.casefold() for name in names)
    unchanged = {name for name in names if usable_name(name) == name and counts[name.casefold()] == 1}
    unused_names = (
        f"input_{number}" for number in count() if f"input_{number}" not in {name.casefold() for name in names}
    )
    return {name: name if name in unchanged else next(unused_names) for name in names}


def usable_name(name: str) -> str:
    """The name as TensorFlow can use it for a function's input: other characters become `_`, a Python word gets one."""
    usable = UNUSABLE_CHARACTERS.sub("_", name)
    usable = usable if re.match(r"[A-Za-z0-9.]", usable) else f"x{usable}"
    return usable + "_" if usable in RESERVED else usable


def output_names(explicit: Sequence[str | None]) -> tuple[str, ...]:
    """A name for each output of a list: its owner's where it is the only one with it, else one by its place."""
    counts = Counter(explicit)
    return tuple(name if name and counts[name] == 1 else f"output_{position}" for position, name in enumerate(explicit))


class Outputs(NamedTuple):
    """The outputs of a call by name, and what happened to those that had no flat name of their own."""

    tensors: dict[str, Any]
    notes: tuple[str, ...] = ()


class _Leaf(NamedTuple):
    name: str
    value: Any


def named_outputs(outputs: Any, explicit: Sequence[str | None] = ()) -> Outputs:
    """The outputs of a call by name: keys of a dict, fields of a named tuple or a dataclass, else `own` names or
    places. Raises ExportFailed where two get one name, or where nothing is left.
    """
    fields = _fields(outputs)
    if fields is None:
        notes: tuple[str, ...] = ()
        leaves = _by_place([leaf.value for leaf in _leaves("", outputs)], explicit)
    else:
        nested_outputs = [(key, _leaves(str(key), value)) for key, value in fields]
        notes = tuple(
            f"output {key!r} is served as {_listed(leaves)}"
            for key, leaves in nested_outputs
            if _is_nested(key, leaves)
        )
        leaves = [leaf for _, leaves in nested_outputs for leaf in leaves]
    _check_different(leaves)
    notes += tuple(f"output {leaf.name!r} is {_kind(leaf.value)}: it is left out" for leaf in leaves if _is_empty(leaf))
    kept = {leaf.name: leaf.value for leaf in leaves if not _is_empty(leaf)}
    if not kept:
        raise ExportFailed("the call returns no tensor: there is nothing to serve", hint="return a tensor")
    return Outputs(kept, notes)


def _by_place(flat: Sequence[Any], explicit: Sequence[str | None]) -> list[_Leaf]:
    names = output_names(explicit if len(explicit) == len(flat) else [None] * len(flat))
    return [_Leaf(name, value) for name, value in zip(names, flat, strict=True)]


def _fields(value: Any) -> list[tuple[Any, Any]] | None:
    """Names and values of what has names; None for all else."""
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return list(zip(value._fields, value, strict=True))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    return None


def _leaves(path: str, value: Any) -> list[_Leaf]:
    parts = _fields(value)
    if parts is None:
        parts = list(enumerate(value)) if isinstance(value, (list, tuple)) else None
    if not parts:
        return [_Leaf(path, value)]
    return [leaf for key, part in parts for leaf in _leaves(f"{path}_{key}", part)]


def _is_nested(key: Any, leaves: Sequence[_Leaf]) -> bool:
    return [leaf.name for leaf in leaves] != [key] and not all(map(_is_empty, leaves))


def _is_empty(leaf: _Leaf) -> bool:
    value = leaf.value
    return value is None or _fields(value) == [] or (isinstance(value, (list, tuple)) and not value)


def _kind(value: Any) -> str:
    return "None" if value is None else "empty"


def _listed(leaves: Sequence[_Leaf]) -> str:
    return ", ".join(leaf.name for leaf in leaves if not _is_empty(leaf))


def _check_different(leaves: Sequence[_Leaf]) -> None:
    counts = Counter(leaf.name for leaf in leaves)
    if duplicates := [name for name, number in counts.items() if number > 1]:
        raise ExportFailed(
            f"two outputs would be called {duplicates[0]!r}", hint="give one of them another key or name in the model"
        )
