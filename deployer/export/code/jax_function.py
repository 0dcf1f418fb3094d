"""A JAX function from `jax.jit` or `jax2tf.convert`. XLA computes its results in the server, too."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from itertools import count
from typing import Any

from deployer.errors import ExportFailed
from deployer.export.runtime import foreign_work
from deployer.export.signature_writer import Servable
from deployer.results.model import TensorSpec

JAX2TF = "jax.experimental.jax2tf"
ROOTS = ("jax", "jaxlib")


def is_jax_function(thing: object) -> bool:
    """Return whether JAX created it; a Python function that calls JAX inside looks like any other."""
    return callable(thing) and not isinstance(thing, type) and (_from_jax(type(thing)) or _from_jax(thing))


def _from_jax(thing: object) -> bool:
    return str(getattr(thing, "__module__", "")).partition(".")[0] in ROOTS


def servable_of(function: Any, inputs: tuple[TensorSpec, ...]) -> Servable:
    """Return the function as a servable. Raises ExportFailed.

    Inputs go to parameters with their names, else in order.
    """
    if not inputs:
        raise ExportFailed("a function of JAX does not say what it takes", hint="--input name:dtype[shape]")
    ordered = _ordered(function, inputs)
    converted = function if _from_jax(function) else _converted(function, ordered)

    def call(feed: Mapping[str, Any]) -> Any:
        return converted(*(feed[spec.name] for spec in ordered))

    def original(feed: Mapping[str, Any]) -> Any:
        return function(*(feed[spec.name].numpy() for spec in ordered))

    return Servable(inputs, call, original=None if _from_jax(function) else original)


def _ordered(function: Any, inputs: tuple[TensorSpec, ...]) -> tuple[TensorSpec, ...]:
    parameters = list(inspect.signature(function).parameters)
    if {spec.name for spec in inputs} <= set(parameters):
        return tuple(sorted(inputs, key=lambda spec: parameters.index(spec.name)))
    return inputs


def _converted(function: Any, inputs: tuple[TensorSpec, ...]) -> Any:
    counter = count()
    shapes = [_polymorphic(spec, counter) for spec in inputs]
    with foreign_work("jax2tf could not convert the function"):
        jax2tf = importlib.import_module(JAX2TF)
        return jax2tf.convert(function, polymorphic_shapes=shapes, with_gradient=False)


def _polymorphic(spec: TensorSpec, counter: count[int]) -> str:
    """Return a shape in JAX's syntax: all open first dimensions are equal, other open dimensions are independent."""
    if spec.shape is None:
        raise ExportFailed(f"JAX cannot take {spec.name!r} with any number of dimensions")
    sizes = (
        str(size) if size is not None else ("rows" if position == 0 else f"size{next(counter)}")
        for position, size in enumerate(spec.shape)
    )
    return f"({', '.join(sizes)}{',' if len(spec.shape) == 1 else ''})"
