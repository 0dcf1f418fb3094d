"""Names of inputs and outputs that stay the same whatever else the process has built (docs/decisions/0002).

A name that the owner gave is kept. A name that a library made up by counting (`dense_7`, `keras_tensor_4`,
`input_2`) is nobody's: such an input is called `inputs`, or `inputs_0`, `inputs_1`, ... by its place among several;
such an output `output_0`, `output_1`, ... by its place.
"""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

COUNTED = re.compile(r"_\d+$")
MADE_UP_INPUT = re.compile(r"(keras_tensor|input_layer)(_\d+)?|input_\d+")
MADE_UP_PREFIXES = ("model", "functional", "sequential")
UNUSABLE = re.compile(r"[^A-Za-z0-9_./-]")
RESERVED = frozenset({*keyword.kwlist, "self"})


def own_input_name(name: str | None) -> str | None:
    """The input's name if its owner gave it, else None."""
    return None if not name or MADE_UP_INPUT.fullmatch(name) else name


def own_layer_name(name: str, class_name: str) -> str | None:
    """The layer's name if its owner gave it; None for a class name in small letters, counted up or not."""
    stem = COUNTED.sub("", name)
    made_up = {_letters(class_name), *MADE_UP_PREFIXES}
    return None if _letters(stem) in made_up or name.startswith("tf.") else name


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def input_names(own: Sequence[str | None]) -> tuple[str, ...]:
    """A name for each input: its owner's, made usable, or one by its place."""
    usable = [usable_name(name) if name else None for name in own]
    names = [name or ("inputs" if len(own) == 1 else f"inputs_{place}") for place, name in enumerate(usable)]
    if len(set(names)) == len(names):
        return tuple(names)
    return tuple(f"inputs_{place}" for place in range(len(own)))


def usable_name(name: str) -> str:
    """The name as TensorFlow can use it for a function's input: other characters become `_`, a Python word gets one."""
    usable = UNUSABLE.sub("_", name)
    usable = usable if re.match(r"[A-Za-z0-9.]", usable) else f"x{usable}"
    return usable + "_" if usable in RESERVED else usable


def output_names(own: Sequence[str | None]) -> tuple[str, ...]:
    """A name for each output of a list: its owner's where it is the only one with it, else one by its place."""
    counts = Counter(own)
    return tuple(name if name and counts[name] == 1 else f"output_{place}" for place, name in enumerate(own))


def named_outputs(outputs: Any, own: Sequence[str | None] = ()) -> dict[str, Any]:
    """The outputs of a call by name: keys of a dict, fields of a named tuple, else `own` names or places."""
    if isinstance(outputs, Mapping):
        return _joined({str(key): value for key, value in outputs.items()})
    if isinstance(outputs, tuple) and hasattr(outputs, "_fields"):
        return _joined(dict(zip(outputs._fields, outputs, strict=True)))
    flat = [leaf for _, leaf in _leaves("", outputs)]
    names = output_names(own if len(own) == len(flat) else [None] * len(flat))
    return dict(zip(names, flat, strict=True))


def _joined(outputs: Mapping[str, Any]) -> dict[str, Any]:
    return {path: leaf for key, value in outputs.items() for path, leaf in _leaves(key, value)}


def _leaves(path: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [leaf for key in value for leaf in _leaves(f"{path}_{key}", value[key])]
    if isinstance(value, (list, tuple)):
        return [leaf for place, item in enumerate(value) for leaf in _leaves(f"{path}_{place}", item)]
    return [(path, value)]
