"""Signatures of a `tf.Module` or a bare `tf.function`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from deployer.errors import ExportFailed
from deployer.export import phase
from deployer.export.runtime import foreign_work, tensorflow
from deployer.export.signature_writer import DEFAULT_SIGNATURE, Servable, Traced, trace
from deployer.export.tensor_names import input_names, renamed_inputs
from deployer.results.model import TensorSpec

Functions = dict[str, Traced]
"""Traced calls by signature name."""
INPUT_SIGNATURE_HINT = (
    "decorate it with @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name='x')]), "
    "or say what it takes: --input name:dtype[shape]"
)
CREATE_ONCE = "make variables and tables once, where the model is made (self.weight = tf.Variable(...) in __init__)"


def is_module(obj: object) -> bool:
    """Return whether the object is a `tf.Module`, a `tf.function` or a concrete function."""
    return isinstance(obj, tensorflow().Module) or is_function(obj)


def is_function(obj: object) -> bool:
    """Return whether the object is a `tf.function`, traced or not."""
    types = tensorflow().types.experimental
    return isinstance(obj, (types.GenericFunction, types.ConcreteFunction))


def functions_of(obj: object, inputs: tuple[TensorSpec, ...]) -> Functions:
    """Return every signature of the module, traced; with `inputs`, the one signature that takes them."""
    if inputs:
        return {DEFAULT_SIGNATURE: traced(DEFAULT_SIGNATURE, _by_inputs(_callable(obj), inputs))}
    found = _all_functions(obj)
    usable = {name: function for name, function in found.items() if declares_inputs(function)}
    if not usable:
        raise ExportFailed(_nothing_usable(obj, list(found)), hint=INPUT_SIGNATURE_HINT)
    return {name: traced(name, declared(function)) for name, function in usable.items()}


def has_usable(obj: object) -> bool:
    """Return whether one of the module's functions declares its inputs."""
    return any(map(declares_inputs, _all_functions(obj).values()))


def _all_functions(obj: object) -> dict[str, Any]:
    return {DEFAULT_SIGNATURE: obj} if is_function(obj) else _named_functions(obj)


def _nothing_usable(obj: object, found: list[str]) -> str:
    what = f"the {type(obj).__name__}"
    if not found:
        return f"{what} has no tf.function to serve"
    return f"no tf.function of {what} says what it takes (found: {', '.join(found)})"


def traced(name: str, servable: Servable) -> Traced:
    with foreign_work(f"{name} could not be traced"):
        return Traced(trace(servable), servable)


def _named_functions(module: Any) -> dict[str, Any]:
    """Return the tf.functions by signature name: `__call__`, or the only one, is `serving_default`."""
    names = [name for name in dir(module) if name == "__call__" or not name.startswith("_")]
    static = {name: inspect.getattr_static(module, name, None) for name in names}
    found = {name: getattr(module, name) for name, value in static.items() if is_function(value)}
    if "__call__" in found:
        found[DEFAULT_SIGNATURE] = found.pop("__call__")
    elif len(found) == 1:
        return {DEFAULT_SIGNATURE: next(iter(found.values()))}
    return found


def _callable(obj: Any) -> Any:
    if is_function(obj):
        return obj
    functions = _named_functions(obj)
    if DEFAULT_SIGNATURE in functions:
        return functions[DEFAULT_SIGNATURE]
    if callable(obj):
        return tensorflow().function(obj.__call__)
    raise ExportFailed(
        f"--input does not say which function of the {type(obj).__name__} it is for: {', '.join(functions)}",
        hint="give the module a __call__, or decorate the functions with their own input_signature",
    )


def declares_inputs(function: Any) -> bool:
    """Return whether the function declares its inputs."""
    return hasattr(function, "structured_input_signature") or function.input_signature is not None


def declared(function: Any) -> Servable:
    """Return a function with an input signature as a servable.

    Input names are those of the TensorSpecs, else of the parameters.
    """
    tf = tensorflow()
    has_own = hasattr(function, "structured_input_signature")
    concrete = function if has_own else _traced_as_declared(function)
    structure = concrete.structured_input_signature
    flat = tf.nest.flatten(structure)
    tensors = [leaf for leaf in flat if isinstance(leaf, tf.TensorSpec)]
    names_given = [leaf.name for leaf in tensors]
    names = input_names(names_given)
    specs = tuple(_spec(name, leaf) for name, leaf in zip(names, tensors, strict=True))

    def call(feed: Mapping[str, Any]) -> Any:
        remaining = iter(specs)
        leaves = [feed[next(remaining).name] if isinstance(leaf, tf.TensorSpec) else leaf for leaf in flat]
        args, kwargs = tf.nest.pack_sequence_as(structure, leaves)
        return function(*args, **kwargs)

    return Servable(specs, call, notes=[*renamed_inputs(names_given, names)])


def _traced_as_declared(function: Any) -> Any:
    phase.enter(phase.TRACING)
    name = getattr(getattr(function, "python_function", None), "__name__", "the function")
    try:
        with foreign_work(f"{name} could not be traced"):
            return function.get_concrete_function()
    except ExportFailed as error:
        error.hint = CREATE_ONCE if "singleton tf.Variable" in error.message else error.hint
        raise


def _spec(name: str, spec: Any) -> TensorSpec:
    shape = None if spec.shape.rank is None else tuple(spec.shape.as_list())
    return TensorSpec(name, spec.dtype.name, shape)


def _by_inputs(function: Any, inputs: tuple[TensorSpec, ...]) -> Servable:
    """Pass inputs to parameters with their names, else in order."""
    names = {spec.name for spec in inputs}
    by_name = names <= set(_parameters(function))

    def call(feed: Mapping[str, Any]) -> Any:
        ordered = {spec.name: feed[spec.name] for spec in inputs}
        return function(**ordered) if by_name else function(*ordered.values())

    return Servable(inputs, call)


def _parameters(function: Callable[..., object]) -> list[str]:
    return list(inspect.signature(getattr(function, "python_function", function)).parameters)
