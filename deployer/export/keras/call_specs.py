"""Determine how a Keras model is called, from its own declaration or from `--input`, with a name for every tensor."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from deployer.errors import ExportFailed
from deployer.export.keras import recorded_calls as keras_calls
from deployer.export.runtime import tensorflow
from deployer.export.tensor_names import explicit_input_name, input_names, renamed_inputs
from deployer.results.model import Shape, TensorSpec

NOT_INPUTS = frozenset({"training", "mask"})
INPUT_HINT = "say what it takes: --input name:dtype[shape], for example --input 'image:float32[?,28,28]'"
Structure: TypeAlias = Any
"""A TensorSpec, or a list or dict of structures, as `tf.nest` takes them."""


@dataclass(frozen=True)
class CallSpec:
    """How a model is called: args and kwargs with a TensorSpec for each tensor, and notes on replaced names."""

    args: tuple[Structure, ...]
    kwargs: Mapping[str, Structure]
    notes: tuple[str, ...] = ()


def specs(spec_: CallSpec) -> tuple[TensorSpec, ...]:
    """Return the inputs of a call spec, in order."""
    return tuple(tensorflow().nest.flatten((list(spec_.args), dict(spec_.kwargs))))


def declared(model: Any) -> list[CallSpec]:
    """Return the call spec that the model was built or called with. Raises ExportFailed if it is unknown."""
    if is_functional(model):
        return [_named(_functional_form(model))]
    if getattr(model, "inputs", None) and is_sequential(model):
        return [_named(_sequential_form(model))]
    spec_ = _recorded_spec(model)
    if spec_ is None:
        raise ExportFailed(
            f"the model {model.name!r} was never called, so nothing tells its inputs",
            hint=f"call it once on an example in the file, or {INPUT_HINT}",
        )
    return [_named(spec_)]


def is_functional(model: object) -> bool:
    """Return whether the model was made from symbolic inputs and outputs, in Keras 2 or 3."""
    return any(kind.__name__ == "Functional" for kind in type(model).__mro__) and not is_sequential(model)


def is_sequential(model: object) -> bool:
    """Return whether the model is a stack of layers, in Keras 2 or 3."""
    return any(kind.__name__ == "Sequential" for kind in type(model).__mro__)


def has_symbolic_outputs(model: object) -> bool:
    """Return whether the layers of the outputs are known without a call."""
    return is_functional(model) or (is_sequential(model) and bool(getattr(model, "outputs", None)))


def would_lose_training(model: Any) -> bool:
    """Return whether a layer was called with `training=True` and the mode of the model's call would override it.

    That is so in Keras 3.
    """
    if not has_symbolic_outputs(model) or hasattr(model, "save_spec"):
        return False
    inner = (layer for layer in model.layers if hasattr(layer, "layers"))
    return any(map(_is_called_with_training, model.layers)) or any(map(would_lose_training, inner))


def _is_called_with_training(layer: Any) -> bool:
    """Return whether a call passed `training=True`; Keras 3 records it also if it is the default of the layer."""
    recorded = any(node.arguments.kwargs.get("training") for node in layer._inbound_nodes)
    parameter = inspect.signature(layer.call).parameters.get("training")
    return recorded and (parameter is None or parameter.default is not True)


def _functional_form(model: Any) -> CallSpec:
    optional = [tensor for tensor in tensorflow().nest.flatten(model.input) if _is_optional(tensor)]
    notes = (f"input {tensor.name!r} is optional in the model, and required by its signature" for tensor in optional)
    return CallSpec((_with_keys_as_names(_mapped(_input_spec, model.input)),), {}, tuple(notes))


def _is_optional(tensor: Any) -> bool:
    """Return whether Keras 3 accepts None for this symbolic input."""
    history = tensor._keras_history
    return bool(getattr(getattr(history, "operation", None), "optional", False))


def _sequential_form(model: Any) -> CallSpec:
    """Return the call spec of a sequential model; the batch size of the call that built it is opened."""
    spec = _input_spec(model.inputs[0])
    if spec.name and spec.name != f"{model.layers[0].name}_input":
        return CallSpec((spec,), {})
    stateful = any(getattr(layer, "stateful", False) for layer in model.layers)
    unnamed = replace(spec, name="", dtype=_recorded_dtype(model) or spec.dtype)
    return CallSpec((unnamed if stateful else _open_batch(unnamed),), {})


def _recorded_dtype(model: Any) -> str | None:
    """Return the dtype that a sequential model was called with: Keras 3 always builds it for float32."""
    recorded = keras_calls.recorded_call(model)
    specs_ = tensorflow().nest.flatten(recorded[0]) if recorded else []
    return specs_[0].dtype.name if len(specs_) == 1 else None


def _recorded_spec(model: Any) -> CallSpec | None:
    """Return how a subclassed model was called: recorded, kept by tf_keras, or from the shapes it was built on."""
    recorded = keras_calls.recorded_call(model)
    if recorded is None and hasattr(model, "save_spec"):
        recorded = model.save_spec()
    if recorded is not None:
        args, kwargs = recorded
        return _form_of_call(model, _mapped(_tensor_spec, tuple(args)), _mapped(_tensor_spec, dict(kwargs)))
    shapes = getattr(model, "_build_shapes_dict", None)
    return None if not shapes else _form_of_call(model, tuple(_shaped(model, shape) for shape in shapes.values()), {})


def _form_of_call(model: Any, args: tuple[Structure, ...], kwargs: Mapping[str, Structure]) -> CallSpec:
    """Name tensors after the parameters of `call` that took them, or after the keys of their dict."""
    call_kwargs = {name: value for name, value in kwargs.items() if name not in NOT_INPUTS}
    parameters = [*_parameters(model.call), *[f"inputs_{position}" for position in range(len(args))]]
    return CallSpec(
        tuple(_named_after(name, value) for name, value in zip(parameters, args, strict=False)),
        {name: _named_after(name, value) for name, value in call_kwargs.items()},
    )


def _named_after(name: str, structure: Structure) -> Structure:
    if isinstance(structure, TensorSpec):
        return _open_batch(replace(structure, name=name))
    if isinstance(structure, Mapping):
        return {key: _named_after(str(key), value) for key, value in structure.items()}
    return [_named_after(f"{name}_{position}", value) for position, value in enumerate(structure)]


def _parameters(call: Callable[..., Any]) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    found = inspect.signature(call).parameters.values()
    return [found.name for found in found if found.kind in kinds and found.name not in NOT_INPUTS]


def _required(call: Callable[..., Any]) -> list[str]:
    found = inspect.signature(call).parameters
    return [name for name in _parameters(call) if found[name].default is inspect.Parameter.empty]


# Inputs requested with --input


def requested(model: Any, inputs: tuple[TensorSpec, ...]) -> list[CallSpec]:
    """Return the call specs in which the model may take these inputs, the most likely first."""
    if is_functional(model):
        return [CallSpec((_fitted(model, _with_keys_as_names(_mapped(_input_spec, model.input)), inputs),), {})]
    if is_sequential(model):
        return [CallSpec((inputs[0],), {})] if len(inputs) == 1 else _wrong_count(model, 1, inputs)
    return _requested_of_call(model, inputs)


def _fitted(model: Any, declared: Any, inputs: tuple[TensorSpec, ...]) -> Any:
    """Replace the declared inputs by the requested ones: by name if the names are equal, else in order."""
    tf = tensorflow()
    specs_ = tf.nest.flatten(declared)
    if len(specs_) != len(inputs):
        return _wrong_count(model, len(specs_), inputs)
    by_name = {spec.name: spec for spec in inputs}
    names_given = {spec.name for spec in specs_}
    if names_given == set(by_name):
        return tf.nest.map_structure(lambda spec: by_name[spec.name], declared)
    if isinstance(declared, Mapping) and len(specs_) > 1:
        raise ExportFailed(f"the model {model.name!r} takes {sorted(names_given)}, and --input names {sorted(by_name)}")
    return tf.nest.pack_sequence_as(declared, list(inputs))


def _wrong_count(model: Any, count: int, inputs: Sequence[TensorSpec]) -> Any:
    raise ExportFailed(f"the model {model.name!r} takes {count} input(s), and --input names {len(inputs)}")


def _requested_of_call(model: Any, inputs: tuple[TensorSpec, ...]) -> list[CallSpec]:
    """Match inputs to parameters of `call` by name, else in order; a single parameter may take a dict or a list."""
    by_name = {spec.name: spec for spec in inputs}
    parameters, required = _parameters(model.call), _required(model.call)
    if set(required) <= set(by_name) <= set(parameters):
        return [CallSpec((), by_name)] if len(inputs) > 1 else [CallSpec(inputs, {})]
    if len(required) > 1 or len(inputs) == 1:
        return [CallSpec(inputs, {})]
    return [CallSpec((by_name,), {}), CallSpec((list(inputs),), {})]


# TensorSpecs from those of TensorFlow and Keras


def _mapped(function: Callable[[Any], Any], structure: Structure) -> Structure:
    if isinstance(structure, Mapping):
        return {key: _mapped(function, value) for key, value in structure.items()}
    if isinstance(structure, (list, tuple)):
        return [_mapped(function, value) for value in structure]
    return function(structure)


def _input_spec(tensor: Any) -> TensorSpec:
    """Return the spec of a symbolic input; its name is empty unless the user gave it."""
    history = tensor._keras_history
    layer = getattr(history, "operation", None) or history.layer
    return replace(_tensor_spec(tensor), name=explicit_input_name(layer.name) or "")


def _tensor_spec(tensor: Any) -> TensorSpec:
    tf = tensorflow()
    declared_type = getattr(tensor, "type_spec", tensor)
    composite = isinstance(declared_type, (tf.RaggedTensorSpec, tf.SparseTensorSpec))
    if composite or getattr(tensor, "sparse", False) or getattr(tensor, "ragged", False):
        raise ExportFailed("the model takes a sparse or ragged input: TensorFlow Serving carries dense tensors only")
    shape = tf.TensorShape(tensor.shape)
    sizes = None if shape.rank is None else tuple(shape.as_list())
    return TensorSpec(getattr(tensor, "name", None) or "", tf.as_dtype(tensor.dtype).name, sizes)


def _shaped(model: Any, shape: Any) -> Any:
    if isinstance(shape, Mapping):
        return {key: _shaped(model, value) for key, value in shape.items()}
    if all(size is None or isinstance(size, int) for size in shape):
        return TensorSpec("", str(model.input_dtype), tuple(shape))
    return [_shaped(model, value) for value in shape]


def _open_batch(spec: TensorSpec) -> TensorSpec:
    shape: Shape = (None, *spec.shape[1:]) if spec.shape else spec.shape
    return replace(spec, shape=shape)


def _with_keys_as_names(structure: Structure) -> Structure:
    """Name inputs in a dict after its keys."""
    if isinstance(structure, Mapping):
        return {key: _keyed(str(key), value) for key, value in structure.items()}
    return structure


def _keyed(key: str, value: Structure) -> Structure:
    return replace(value, name=key) if isinstance(value, TensorSpec) else value


def _named(spec_: CallSpec) -> CallSpec:
    """Return the call spec with a usable name for every input."""
    tf = tensorflow()
    structure = (list(spec_.args), dict(spec_.kwargs))
    specs_ = tf.nest.flatten(structure)
    names_given = [spec.name or None for spec in specs_]
    names = input_names(names_given)
    renamed = [replace(spec, name=name) for spec, name in zip(specs_, names, strict=True)]
    args, kwargs = tf.nest.pack_sequence_as(structure, renamed)
    return CallSpec(tuple(args), kwargs, (*spec_.notes, *renamed_inputs(names_given, names)))
